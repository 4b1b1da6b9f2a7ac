/** Arguments of buildah, for the sandbox's script. Pure. */

/** Name of the registry as a build sees it: the same on every worker, so that buildah's notes about blobs stay true. */
export const SANDBOX_REGISTRY_HOST = "registry.berth.internal";

export interface BuildArgsInput {
  buildId: string;
  repository: string;
  dockerfilePath: string;
  target: string | null;
  buildArgs: Readonly<Record<string, string>>;
  /** Files of the operator that every RUN sees: path in the sandbox → path in the step. */
  files: readonly { source: string; target: string }[];
  /** Names that every RUN resolves to an address. */
  hosts: readonly { name: string; address: string }[];
  /** Hard limit of open files of the sandbox. */
  openFiles: number;
  pidsMax: number;
  registryPort: number;
}

const contextPath = (buildId: string) => `/var/lib/containers/tmp/${buildId}/context`;
/** buildah's own store keeps the result under this name until it is pushed. */
const localName = (buildId: string) => `localhost/${buildId.replace("_", "-")}`;

/** `buildah build …` without the context's path. */
export function buildArgs(input: BuildArgsInput): string[] {
  return [
    "--layers",
    // Without it what a failed step wrote would stay on the disk for good.
    "--force-rm",
    "--format=docker",
    "--pull=missing",
    "--identity-label=false",
    "--network=host",
    `--ulimit=nofile=${Math.min(1024, input.openFiles)}:${input.openFiles}`,
    `--ulimit=nproc=${input.pidsMax}:${input.pidsMax}`,
    ...input.files.map(({ source, target }) => `--volume=${source}:${target}:ro`),
    ...input.hosts.map(({ name, address }) => `--add-host=${name}:${address}`),
    ...Object.entries(input.buildArgs).map(([name, value]) => `--build-arg=${name}=${value}`),
    ...(input.target === null ? [] : [`--target=${input.target}`]),
    `--file=${contextPath(input.buildId)}/${input.dockerfilePath}`,
    `--tag=${localName(input.buildId)}`,
  ];
}

/** Steps that another worker built before; only for a disk that knows nothing of the app. */
export function cacheFromArgs(input: Pick<BuildArgsInput, "repository" | "registryPort">): string[] {
  return [`--cache-from=${cacheRepository(input)}`];
}

/** The same build again, all of it from the local store, to share its steps with other workers. */
export function cacheToArgs(input: BuildArgsInput): string[] {
  return [...buildArgs(input), `--cache-to=${cacheRepository(input)}`, "--quiet"];
}

export function pushArgs(input: Pick<BuildArgsInput, "buildId" | "repository" | "registryPort">): string[] {
  return [
    "--quiet",
    "--format=docker",
    "--compression-format=gzip",
    // The network is a loopback: the fastest level is the quickest deploy.
    "--compression-level=1",
    `--digestfile=/var/lib/containers/tmp/${input.buildId}/digest`,
    localName(input.buildId),
    `docker://${SANDBOX_REGISTRY_HOST}:${input.registryPort}/${input.repository}:${input.buildId.replace("_", "-")}`,
  ];
}

const cacheRepository = (input: Pick<BuildArgsInput, "repository" | "registryPort">) =>
  `${SANDBOX_REGISTRY_HOST}:${input.registryPort}/${input.repository}/cache`;

/** NUL-separated, as bash's `mapfile -d ''` reads them. */
export const argumentFile = (args: readonly string[]): string => args.map((arg) => `${arg}\0`).join("");

export interface RegistriesInput {
  registryPort: number;
  /** Host and port that people use for Berth's registry outside. */
  publicHosts: readonly string[];
  /** Further mirrors of docker.io, asked after Berth's own. */
  mirrors: readonly { location: string; insecure: boolean }[];
  /** Whether docker.io itself is asked last. */
  dockerIo: boolean;
}

/** `registries.conf` of the sandbox: docker.io is Berth's own registry first. */
export function registriesConf(input: RegistriesInput): string {
  const own = `${SANDBOX_REGISTRY_HOST}:${input.registryPort}`;
  const text = (value: string) => JSON.stringify(value);
  const mirrors = [{ location: own, insecure: true }, ...input.mirrors];
  // Without docker.io itself the last mirror stands in its place.
  const last = input.dockerIo ? { location: "docker.io", insecure: false } : mirrors.pop();
  const registry = (prefix: string, location: string, insecure: boolean) =>
    ["[[registry]]", `prefix = ${text(prefix)}`, `location = ${text(location)}`, `insecure = ${insecure}`].join("\n");
  return [
    'unqualified-search-registries = ["docker.io"]\nshort-name-mode = "disabled"',
    registry("docker.io", last?.location ?? own, last?.insecure ?? true),
    ...mirrors.map((mirror) => ["[[registry.mirror]]", `location = ${text(mirror.location)}`, `insecure = ${mirror.insecure}`].join("\n")),
    ...[own, ...input.publicHosts].map((prefix) => registry(prefix, own, true)),
    "",
  ].join("\n\n");
}
