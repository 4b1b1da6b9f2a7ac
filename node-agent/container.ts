/** One container's files, mounts and process: each step by itself; `instance.ts` decides when. */
import { chownSync, closeSync, constants, mkdirSync, openSync, readFileSync, rmSync, symlinkSync, unlinkSync, writeFileSync, writeSync } from "node:fs";
import { readFile, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { removeCgroup } from "../core/host/cgroup.ts";
import { conmon, crunDelete, crunFifo, crunKill, type Runtime } from "../core/host/commands/crun.ts";
import { thaw } from "../core/host/freezer.ts";
import { mountOverlay, unmount } from "../core/host/mounts.ts";
import type { Netns } from "../core/host/net.ts";
import { runLine, runUnchecked } from "../core/host/spawn.ts";
import { instanceSpec, type Bind } from "../core/sandbox/spec.ts";
import type { DesiredInstance } from "../core/contract/node-channel.ts";
import { BadUser, resolveUser, type ResolvedUser } from "./image-user.ts";
import { layerName } from "./plan.ts";
import type { SessionHost } from "./session-peers.ts";
import { BadPath, ensureDirectory, ensureSymlink, readWithin } from "./rootfs.ts";
import { SECRETS_PATH, type SecretStore, type SecretValues } from "./secrets.ts";

/** The image cannot be run, whatever the node does: the text says why. */
export class BadImage extends Error {}

export interface ContainerHost {
  runtime: Runtime;
  /** `<dir>/<id>` is an instance's own. */
  instancesDir: string;
  logsDir: string;
  exitDir: string;
  socketDir: string;
  secrets: SecretStore;
  cgroupParent: string;
  openFiles: number;
  resolvers: readonly string[];
}

const PASSWD_MAX_BYTES = 1 << 20;
const DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
const CREATE_TIMEOUT_MS = 20_000;
const CREATE_TRIES = 3;

export class Container {
  readonly #host: ContainerHost;
  readonly #desired: DesiredInstance;
  readonly dir: string;
  readonly logFile: string;
  readonly cgroupsPath: string;

  constructor(host: ContainerHost, desired: DesiredInstance) {
    this.#host = host;
    this.#desired = desired;
    this.dir = join(host.instancesDir, desired.id);
    this.logFile = join(host.logsDir, `${desired.id}.log`);
    this.cgroupsPath = `${host.cgroupParent}/${desired.id}`;
  }

  get rootPath(): string {
    return join(this.dir, "root");
  }

  get exitFile(): string {
    return join(this.#host.exitDir, this.#desired.id);
  }

  /** Mounts the image with a writable layer on top; what an earlier start wrote there stays. `layersDir`: as the tenant sees the store. */
  async mountRoot(layersDir: string): Promise<void> {
    const { uidBase, layers } = this.#desired;
    const [upper, work] = [join(this.dir, "upper"), join(this.dir, "work")];
    for (const dir of [upper, work, this.rootPath]) mkdirSync(dir, { recursive: true, mode: 0o755 });
    chownSync(upper, uidBase, uidBase);
    const names = layers.map((layer) => layerName(layer.diffId));
    // The same layer twice: the upper one has all that the lower one has.
    const lowers = names.filter((name, index) => names.lastIndexOf(name) === index);
    mountOverlay({ base: layersDir, lowers: lowers.length > 0 ? lowers : ["empty"], upper, work, target: this.rootPath });
  }

  /** Writes `config.json` and the files that Docker would write, with the instance's secrets if it has some. @throws BadImage */
  async writeBundle(netns: Netns, secrets?: SecretValues): Promise<void> {
    const desired = this.#desired;
    const { args, uidBase } = desired;
    if (args.length === 0) throw new BadImage("The image has neither ENTRYPOINT nor CMD. Add one, or deploy with --command.");
    const cwd = desired.workingDir === "" ? "/" : join("/", desired.workingDir);
    try {
      const passwd = readWithin(this.rootPath, "/etc/passwd", PASSWD_MAX_BYTES);
      const group = readWithin(this.rootPath, "/etc/group", PASSWD_MAX_BYTES);
      const user = resolveUser(desired.user, passwd, group);
      for (const path of [cwd, ...desired.volumes]) ensureDirectory(this.rootPath, path, uidBase);
      ensureSymlink(this.rootPath, "/etc/mtab", "/proc/mounts", uidBase);
      const spec = instanceSpec({
        rootPath: this.rootPath,
        hostname: desired.hostname,
        args,
        env: containerEnv([...desired.env, ...(secrets?.env ?? [])], { hostname: desired.hostname, home: user.home }),
        cwd,
        user,
        uidBase,
        netnsPath: netns.path,
        cgroupsPath: this.cgroupsPath,
        binds: [...this.#writeEtc(netns), ...this.#writeSecrets(secrets, user)],
        limits: { ...desired.limits, openFiles: this.#host.openFiles },
      });
      this.#writeSpec(JSON.stringify(spec), secrets !== undefined);
    } catch (error) {
      if (error instanceof BadUser || error instanceof BadPath) throw new BadImage(error.message, { cause: error });
      throw error;
    }
  }

  /** A spec with secrets is in memory alone: the bundle has a link to it. */
  #writeSpec(text: string, isSecret: boolean): void {
    const path = join(this.dir, "config.json");
    rmSync(path, { force: true });
    if (!isSecret) return writeFileSync(path, text, { mode: 0o600 });
    const real = join(this.#host.secrets.dirOf(this.#desired.id), "config.json");
    writeFileSync(real, text, { mode: 0o600 });
    symlinkSync(real, path);
  }

  #writeSecrets(secrets: SecretValues | undefined, user: ResolvedUser): Bind[] {
    if (secrets === undefined || secrets.files.length === 0) return [];
    return [{ source: this.#host.secrets.writeFiles(this.#desired.id, secrets, user, this.#desired.uidBase), destination: SECRETS_PATH, readOnly: true }];
  }

  /** For programs beside the app: they run as its own process was created. */
  sessionHost({ address, path: netnsPath }: Netns): SessionHost {
    const { process: own } = JSON.parse(readFileSync(join(this.dir, "config.json"), "utf8")) as { process: SessionHost["process"] & { user: { uid: number; gid: number } } };
    const { id, uidBase } = this.#desired;
    const owner = { uid: uidBase + own.user.uid, gid: uidBase + own.user.gid };
    return { id, runtime: this.#host.runtime, dir: this.dir, process: own, owner, address, netnsPath };
  }

  #writeEtc(netns: Netns) {
    const { hostname, uidBase } = this.#desired;
    const files = {
      hosts: `127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n${netns.address}\t${hostname}\n`,
      hostname: `${hostname}\n`,
      "resolv.conf": this.#host.resolvers.map((address) => `nameserver ${address}\n`).join(""),
    };
    for (const [name, text] of Object.entries(files)) {
      writeFileSync(join(this.dir, name), text);
      chownSync(join(this.dir, name), uidBase, uidBase);
    }
    return Object.keys(files).map((name) => ({ source: join(this.dir, name), destination: `/etc/${name}`, readOnly: false }));
  }

  /** Creates the container under its monitor; gives the id of its first process, which waits for `start`. @throws BadImage */
  async create(): Promise<number> {
    for (let attempt = 0; ; attempt++) {
      try {
        return await this.#create();
      } catch (error) {
        // A monitor that a former agent had begun may create it a moment after it was looked for.
        if (attempt === CREATE_TRIES || !(error instanceof Error && /already exists/.test(error.message))) throw error;
        await this.forget();
      }
    }
  }

  async #create(): Promise<number> {
    await rm(this.exitFile, { force: true });
    const argv = conmon(this.#host.runtime, {
      id: this.#desired.id,
      bundle: this.dir,
      pidFile: join(this.dir, "pid"),
      exitDir: this.#host.exitDir,
      socketDir: this.#host.socketDir,
      logFile: this.logFile,
      // The older half is kept beside it.
      logBytes: Math.floor(this.#desired.limits.logBytes / 2),
    });
    const { line, stderr } = await runLine(argv, { timeoutMs: CREATE_TIMEOUT_MS, cwd: this.dir, env: { PATH: process.env["PATH"], _OCI_SYNCPIPE: "3" } });
    if (line === "") throw new Error(`the container's monitor ended: ${stderr.trim()}`);
    const { data, message } = JSON.parse(line) as { data: number; message?: string };
    if (data > 0) return data;
    const reason = (message ?? "").trim().split("\n").at(-1) ?? "";
    throw createError(reason, this.#desired.args[0] ?? "");
  }

  /** @throws Error ENOENT or ENXIO when it was started before or has ended */
  start(): void {
    // What `crun start` does, without a program of its own: the process waits for this byte.
    const fifo = crunFifo(this.#host.runtime, this.#desired.id);
    const descriptor = openSync(fifo, constants.O_WRONLY | constants.O_NONBLOCK);
    try {
      writeSync(descriptor, "\0");
      unlinkSync(fifo);
    } finally {
      closeSync(descriptor);
    }
  }

  /** A container that has ended is no error. A frozen one would keep the signal for later: it is thawed. */
  async kill(signal: string): Promise<void> {
    thaw(this.cgroupsPath);
    await runUnchecked(crunKill(this.#host.runtime, this.#desired.id, signal));
  }

  /** Ends the process, if it runs, and makes crun forget the container; files and mounts stay for the next start. */
  async forget(): Promise<void> {
    thaw(this.cgroupsPath);
    await runUnchecked(crunDelete(this.#host.runtime, this.#desired.id));
    await removeCgroup(this.cgroupsPath);
    await rm(this.exitFile, { force: true });
  }

  async unmountRoot(): Promise<void> {
    await unmount(this.rootPath);
  }

  /** Removes all but the log. */
  async remove(): Promise<void> {
    await this.forget();
    await unmount(this.rootPath);
    await rm(join(this.#host.socketDir, this.#desired.id), { recursive: true, force: true });
    await rm(this.dir, { recursive: true, force: true });
    this.#host.secrets.remove(this.#desired.id);
  }

  /** The exit code that the monitor wrote, or undefined while it has not. */
  async readExit(): Promise<number | undefined> {
    const text = await readFile(this.exitFile, "utf8").catch(() => "");
    return /^\d+$/.test(text.trim()) ? Number(text) : undefined;
  }

  /** When the monitor wrote it, ms since 1970. */
  async exitedAt(): Promise<number | undefined> {
    const found = await stat(this.exitFile).catch(() => undefined);
    return found?.mtimeMs;
  }
}

/** crun speaks to operators; a tenant reads what is wrong with the image. */
function createError(reason: string, program: string): Error {
  // What the host lacks is not the image's fault.
  if (!/exec|not a regular file/i.test(reason)) return new Error(`the container could not be created: ${reason}`);
  if (/not found|No such file/i.test(reason)) return new BadImage(`The program «${program}» is not in the image, or its interpreter is not.`);
  if (/Permission denied|not executable|not a regular file/i.test(reason)) return new BadImage(`The program «${program}» may not be executed: is it executable for its USER?`);
  if (/Exec format|wrong ELF|architecture/i.test(reason)) return new BadImage(`The program «${program}» is not made for this machine.`);
  return new Error(`the container could not be created: ${reason}`);
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
