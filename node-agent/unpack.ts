/** Starts the confined helper that unpacks one layer: a crun container on the toolchain's root file system. */
import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { mkdir, readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Readable, Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { removeCgroup } from "../core/host/cgroup.ts";
import { crunDelete, crunRun, type Runtime } from "../core/host/commands/crun.ts";
import { runUnchecked, start } from "../core/host/spawn.ts";
import { unpackSpec, type UnpackSandbox } from "../core/sandbox/spec.ts";
import { BadLayer } from "./layer-store.ts";
import { compressionOf } from "./plan.ts";

const SCRIPT = readFileSync(new URL("unpack.sh", import.meta.url), "utf8");
/** The script's way to say that the archive is at fault. */
const REFUSED = 3;
const TIMEOUT_MS = 600_000;
const COPY = ["--file=-", "--directory=/mnt", "--numeric-owner", "--xattrs", "--xattrs-include=*"];
const LIMITS = { memoryBytes: 512 * 2 ** 20, cpuMillis: 2000, pidsMax: 64 };

export interface Unpacking {
  /** Takes the layer as it is stored. */
  stdin: Writable;
  kill(): void;
  /** @throws BadLayer when the archive is at fault */
  result: Promise<{ diffId: string; bytes: number }>;
}

export interface UnpackerOptions {
  dir: string;
  toolchain: string;
  runtime: Runtime;
  cgroupParent: string;
  openFiles: number;
  maxBytes: number;
  maxEntries: number;
}

export class Unpacker {
  readonly #options: UnpackerOptions;

  constructor(options: UnpackerOptions) {
    this.#options = options;
  }

  /** Ends what a former agent left unpacking. */
  async open(): Promise<void> {
    const { dir, runtime, cgroupParent } = this.#options;
    await mkdir(dir, { recursive: true });
    for (const id of await readdir(dir)) {
      await runUnchecked(crunDelete(runtime, id));
      await removeCgroup(`${cgroupParent}/${id}`);
      await rm(join(dir, id), { recursive: true, force: true });
    }
  }

  /** `target`: an empty directory of the layer store's id range. */
  async start(target: string, mediaType: string): Promise<Unpacking> {
    const compression = compressionOf(mediaType);
    if (!compression) throw new BadLayer(`layers of the type ${mediaType} cannot be unpacked`);
    const { child, kill, ended } = await this.#run({ targetPath: target, args: ["bash", "-c", SCRIPT, "unpack", compression, String(this.#options.maxBytes), String(this.#options.maxEntries)] });
    const stdout = text(child.stdout as Readable);
    const result = ended.then(({ code, stderr }) => {
      const [, diffId, bytes] = /^([0-9a-f]{64}) (\d+)$/m.exec(stdout()) ?? [];
      if (code === REFUSED) throw new BadLayer(stderr);
      if (code !== 0 || diffId === undefined) throw new Error(`the unpack helper ended with code ${code}: ${stderr}`);
      return { diffId: `sha256:${diffId}`, bytes: Number(bytes) };
    });
    return { stdin: child.stdin as Writable, kill, result };
  }

  /** An unpacked layer as another id range has it, whiteouts and attributes too. `target`: an empty directory of that range. */
  async copy(source: string, target: string, uidBase: number): Promise<void> {
    const to = await this.#run({ targetPath: target, uidBase, args: ["tar", "--extract", "--same-owner", "--preserve-permissions", "--delay-directory-restore", ...COPY] });
    // Last, and read at once: Node throws away what nobody reads of a program that has ended.
    const from = await this.#run({ targetPath: source, isReadOnly: true, args: ["tar", "--create", ...COPY, "."] });
    from.child.stdin?.end();
    to.child.stdout?.resume();
    const piped = pipeline(from.child.stdout as Readable, to.child.stdin as Writable).catch(() => {});
    const ends = await Promise.all([from.ended, to.ended]);
    await piped;
    const bad = ends.find(({ code }) => code !== 0);
    if (bad !== undefined) throw new Error(`a layer was not copied: ${bad.stderr}`);
  }

  async #run(box: Pick<UnpackSandbox, "targetPath" | "args" | "isReadOnly" | "uidBase">) {
    const { runtime, toolchain, openFiles } = this.#options;
    const id = `unpack-${randomUUID().slice(0, 12)}`;
    const bundle = join(this.#options.dir, id);
    const cgroupsPath = `${this.#options.cgroupParent}/${id}`;
    await mkdir(bundle, { recursive: true });
    const spec = unpackSpec({ ...box, rootPath: toolchain, cgroupsPath, limits: { ...LIMITS, openFiles } });
    await writeFile(join(bundle, "config.json"), JSON.stringify(spec), { mode: 0o600 });
    const child = start(crunRun(runtime, id, bundle), { stdio: ["pipe", "pipe", "pipe"], detached: true });
    const kill = () => void runUnchecked(crunDelete(runtime, id));
    const timer = setTimeout(kill, TIMEOUT_MS);
    const stderr = text(child.stderr as Readable);
    const ended = new Promise<{ code: number | null; stderr: string }>((resolve, reject) => {
      child.on("error", reject);
      child.on("close", (code) => {
        clearTimeout(timer);
        // crun has removed its container; one that was killed from outside is removed here, while the layer goes on.
        void runUnchecked(crunDelete(runtime, id)).then(() => Promise.all([removeCgroup(cgroupsPath), rm(bundle, { recursive: true, force: true })]), () => {});
        resolve({ code, stderr: stderr().trim() });
      });
    });
    return { child, kill, ended };
  }
}

function text(stream: Readable): () => string {
  let kept = "";
  stream.on("data", (chunk: Buffer) => (kept = (kept + chunk.toString("utf8")).slice(-4096)));
  return () => kept;
}
