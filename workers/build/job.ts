/** The files and the spec of one build's sandbox. */
import { chown, copyFile, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { BuildRow } from "../../core/db/system-queries/builds.ts";
import { buildSandboxSpec, type BindMount } from "../../core/sandbox/build-spec.ts";
import { argumentFile, buildArgs, cacheFromArgs, cacheToArgs, pushArgs, registriesConf, SANDBOX_REGISTRY_HOST, type BuildArgsInput } from "./commands/buildah.ts";
import type { BuildConfig } from "./config.ts";

export interface JobInput {
  config: BuildConfig;
  build: BuildRow;
  repository: string;
  uidBase: number;
  /** Directory of this build's own, not there yet. */
  jobDir: string;
  diskPath: string;
  slot: { netnsPath: string; hostAddress: string };
  resolvers: readonly string[];
  registryPort: number;
  cgroupsPath: string;
}

/** Beyond this share of its disk a tenant's cache is thrown away. */
const PRUNE_PERCENT = 80;
const SYSTEM_CA = "/etc/ssl/certs/ca-certificates.crt";
const SCRIPT = new URL("./build.sh", import.meta.url);
/** What a process may open at most: the worker's own hard limit, which a sandbox cannot exceed. */
const OPEN_FILES_MAX = 65_536;

export async function prepareJob(input: JobInput): Promise<Record<string, unknown>> {
  const { config, build, jobDir } = input;
  const openFiles = Math.min(OPEN_FILES_MAX, await hardOpenFiles());
  const args: BuildArgsInput = {
    buildId: build.id,
    repository: input.repository,
    dockerfilePath: build.dockerfilePath,
    target: build.target,
    buildArgs: build.buildArgs,
    files: config.files.map(({ target }, index) => ({ source: `/berth/job/file-${index}`, target })),
    hosts: config.hosts,
    openFiles,
    pidsMax: config.limits.pidsMax,
    registryPort: input.registryPort,
  };
  const hosts = [
    "127.0.0.1 localhost build",
    "::1 localhost",
    `${input.slot.hostAddress} ${SANDBOX_REGISTRY_HOST}`,
    ...config.hosts.map(({ name, address }) => `${address} ${name}`),
  ];
  const files: Record<string, string> = {
    "build.args": argumentFile(buildArgs(args)),
    "push.args": argumentFile(pushArgs(args)),
    "cache-from.args": argumentFile(cacheFromArgs(args)),
    "cache-to.args": argumentFile(cacheToArgs(args)),
    "registries.conf": registriesConf({ registryPort: input.registryPort, publicHosts: config.publicHosts, mirrors: config.mirrors, dockerIo: config.dockerIo }),
    "resolv.conf": input.resolvers.map((address) => `nameserver ${address}\n`).join("") + "options timeout:2 attempts:2\n",
    hosts: `${hosts.join("\n")}\n`,
  };
  await mkdir(jobDir, { recursive: true, mode: 0o700 });
  const binds: BindMount[] = [
    { source: input.diskPath, destination: "/var/lib/containers", readOnly: false },
    { source: jobDir, destination: "/berth/job", readOnly: true },
    { source: join(jobDir, "registries.conf"), destination: "/etc/containers/registries.conf", readOnly: true },
    { source: join(jobDir, "resolv.conf"), destination: "/etc/resolv.conf", readOnly: true },
    { source: join(jobDir, "hosts"), destination: "/etc/hosts", readOnly: true },
  ];
  if (config.caFile !== undefined) {
    const system = await readFile(join(config.toolchain, SYSTEM_CA), "utf8").catch(() => "");
    files["ca.crt"] = `${system}\n${await readFile(config.caFile, "utf8")}`;
    binds.push({ source: join(jobDir, "ca.crt"), destination: SYSTEM_CA, readOnly: true });
  }
  await Promise.all([
    ...Object.entries(files).map(([name, text]) => writeFile(join(jobDir, name), text, { mode: 0o444 })),
    ...config.files.map(({ source }, index) => copyFile(source, join(jobDir, `file-${index}`))),
    copyFile(SCRIPT, join(jobDir, "build.sh")),
  ]);
  // Readable for the sandbox's root, which is this id outside, and for nobody else.
  await chown(jobDir, input.uidBase, input.uidBase);
  return buildSandboxSpec({
    rootPath: config.toolchain,
    uidBase: input.uidBase,
    args: ["/bin/bash", "/berth/job/build.sh"],
    env: [
      "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
      "HOME=/run",
      "LANG=C.UTF-8",
      "BUILDAH_ISOLATION=chroot",
      "STORAGE_DRIVER=overlay",
      `BERTH_BUILD=${build.id}`,
      `BERTH_APP=${build.appId}`,
      `BERTH_DOCKERFILE=${build.contextFormat === "dockerfile" ? "Dockerfile" : build.dockerfilePath}`,
      `BERTH_CONTEXT_FORMAT=${build.contextFormat}`,
      `BERTH_PRUNE_PERCENT=${PRUNE_PERCENT}`,
    ],
    netnsPath: input.slot.netnsPath,
    cgroupsPath: input.cgroupsPath,
    limits: { ...config.limits, openFiles },
    binds,
  });
}

async function hardOpenFiles(): Promise<number> {
  const limits = await readFile("/proc/self/limits", "utf8");
  const hard = /^Max open files\s+\S+\s+(\S+)/m.exec(limits)?.[1];
  return hard === undefined || hard === "unlimited" ? OPEN_FILES_MAX : Number(hard);
}
