/** What crun reads of a container before it creates it: `config.json`, and the files that Docker would write. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { DesiredInstance } from "../core/contract/node-channel.ts";
import type { Netns } from "../core/host/net.ts";
import { instanceSpec, type Bind } from "../core/sandbox/spec.ts";
import { BadImage } from "./bad-image.ts";
import type { ContainerHost } from "./container.ts";
import { BadUser, resolveUser, type ResolvedUser } from "./image-user.ts";
import { giveIfEmpty } from "./mounts.ts";
import { BadPath, ensureDirectory, ensureSymlink, readWithin, writeWithin } from "./rootfs.ts";
import { SECRETS_PATH, type SecretValues } from "./secrets.ts";

const PASSWD_MAX_BYTES = 1 << 20;
const DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

type BundleHost = Pick<ContainerHost, "openFiles" | "resolver" | "secrets">;

export interface BundleContainer extends Pick<DesiredInstance, "id" | "uidBase" | "hostname" | "args" | "env" | "workingDir" | "user" | "volumes" | "limits" | "isolation"> {
  /** The bundle's own directory. */
  dir: string;
  /** Its mounted image. */
  rootPath: string;
  cgroupsPath: string;
  sandboxId: string | undefined;
  /** The disk that its reads and writes are limited on. */
  ioDevice: string | undefined;
  /** Volumes and scratch, mounted: `mounts.ts`. */
  mounted: readonly Bind[];
}

/** `secrets`: what it gets of its instance's. @throws BadImage */
export function writeBundle(host: BundleHost, container: BundleContainer, netns: Netns, secrets?: SecretValues): void {
  const { args, uidBase, rootPath, hostname } = container;
  if (args.length === 0) throw new BadImage("The image has neither ENTRYPOINT nor CMD. Add one, or deploy with --command.");
  const cwd = container.workingDir === "" ? "/" : join("/", container.workingDir);
  try {
    const passwd = readWithin(rootPath, "/etc/passwd", PASSWD_MAX_BYTES);
    const group = readWithin(rootPath, "/etc/group", PASSWD_MAX_BYTES);
    const user = resolveUser(container.user, passwd, group);
    for (const path of [cwd, ...container.volumes, ...container.mounted.map(({ destination }) => destination)]) ensureDirectory(rootPath, path, uidBase);
    for (const each of container.mounted) giveIfEmpty(each, uidBase + user.uid, uidBase + user.gid);
    ensureSymlink(rootPath, "/etc/mtab", "/proc/mounts", uidBase);
    writeEtc(host, container, netns);
    const spec = instanceSpec({
      rootPath,
      hostname,
      args,
      env: containerEnv([...container.env, ...(secrets?.env ?? [])], { hostname, home: user.home }),
      cwd,
      user,
      uidBase,
      netnsPath: netns.path,
      cgroupsPath: container.cgroupsPath,
      sandboxId: container.sandboxId,
      binds: [...container.mounted, ...writeSecrets(host, container, user, secrets)],
      limits: { ...container.limits, openFiles: host.openFiles },
      hasOwnKernel: container.isolation === "gvisor",
      ioDevice: container.ioDevice,
    });
    // In memory, as secrets are.
    writeFileSync(join(container.dir, "config.json"), JSON.stringify(spec), { mode: 0o600 });
  } catch (error) {
    if (error instanceof BadUser || error instanceof BadPath) throw new BadImage(error.message, { cause: error });
    throw error;
  }
}

function writeSecrets({ secrets: store }: BundleHost, { id, uidBase }: BundleContainer, user: ResolvedUser, secrets: SecretValues | undefined): Bind[] {
  if (secrets === undefined || secrets.files.length === 0) return [];
  return [{ source: store.writeFiles(id, secrets, user, uidBase), destination: SECRETS_PATH, readOnly: true }];
}

/** On the container's own disk: it may change them, and fill that alone. */
function writeEtc({ resolver }: BundleHost, { rootPath, hostname, uidBase }: BundleContainer, netns: Netns): void {
  const files = {
    hosts: `127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n${netns.address}\t${hostname}\n`,
    hostname: `${hostname}\n`,
    // Three times five seconds: as long as an app may take to wake.
    "resolv.conf": `nameserver ${resolver}\noptions timeout:5 attempts:3\n`,
  };
  for (const [name, text] of Object.entries(files)) writeWithin(rootPath, `/etc/${name}`, text, uidBase);
}

/** As Docker orders them: PATH and HOSTNAME first, whoever sets them, HOME last when nobody does. */
function containerEnv(env: readonly string[], { hostname, home }: { hostname: string; home: string }): string[] {
  const merged = new Map([["PATH", DEFAULT_PATH], ["HOSTNAME", hostname]]);
  for (const entry of env) {
    const at = entry.indexOf("=");
    if (at > 0) merged.set(entry.slice(0, at), entry.slice(at + 1));
  }
  if (!merged.has("HOME")) merged.set("HOME", home);
  return [...merged].map(([name, value]) => `${name}=${value}`);
}
