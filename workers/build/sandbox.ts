/** One build's sandbox: a crun container that lives exactly as long as this worker holds its life line. */
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Readable, Writable } from "node:stream";
import { readOomKills } from "../../core/host/cgroup.ts";
import { crunDelete, crunRun } from "../../core/host/commands/crun.ts";
import { runUnchecked, start } from "../../core/host/spawn.ts";

export interface SandboxOptions {
  /** Unique on the host. */
  id: string;
  crun: string;
  /** Where crun keeps its state. */
  stateDir: string;
  /** A directory of this sandbox's own, for the spec. */
  bundleDir: string;
  spec: Record<string, unknown>;
  /** As in the spec. */
  cgroupsPath: string;
  /** Lines of buildah. */
  onLine(line: string): void;
  /** Messages of the script: words between spaces. */
  onMessage(words: string[]): void;
}

export interface Sandbox {
  /** The build context goes in here. */
  stdin: Writable;
  /** Answers the script. */
  send(line: string): void;
  /** Ends it now, whatever it does. Resolves when nothing of it is left. */
  kill(): Promise<void>;
  /** Processes that the kernel ended for want of memory, so far. */
  oomKills(): Promise<number>;
  /** Resolves when nothing of it is left. `killed`: ended by a signal that did not come from here. */
  ended: Promise<{ killed: boolean; stderr: string }>;
}

const LINE_MAX_BYTES = 64 * 1024;
const MESSAGE_MAX_BYTES = 2 * 2 ** 20;
const SIGKILL_EXIT = 137;

/** Starts the container. Errors of crun arrive through `ended`. */
export async function startSandbox(options: SandboxOptions): Promise<Sandbox> {
  await mkdir(options.bundleDir, { recursive: true, mode: 0o755 });
  await writeFile(join(options.bundleDir, "config.json"), JSON.stringify(options.spec), { mode: 0o600 });
  const runtime = { crun: options.crun, stateDir: options.stateDir };
  // 0 context, 1 and 2 output, 3 messages, 4 life line.
  const child = start(crunRun(runtime, options.id, options.bundleDir, 2), { stdio: ["pipe", "pipe", "pipe", "pipe", "pipe"] });
  const [stdin, stdout, stderrStream, messages, lifeLine] = child.stdio as [Writable, Readable, Readable, Readable & Writable, Writable];
  for (const stream of [stdin, messages, lifeLine]) stream.on("error", () => {});
  let stderr = "";
  stderrStream.on("data", (chunk: Buffer) => (stderr = (stderr + chunk.toString("utf8")).slice(-8192)));
  splitLines(stdout, LINE_MAX_BYTES, options.onLine);
  splitLines(messages, MESSAGE_MAX_BYTES, (line) => {
    const words = line.split(" ");
    options.onMessage(words);
    // The script has nothing more to say: its first process ends when the life line is cut.
    if (words[0] === "done") lifeLine.end();
  });
  let weKilled = false;
  const remove = () => runUnchecked(crunDelete(runtime, options.id), { timeoutMs: 10_000 });
  const ended = new Promise<{ killed: boolean; stderr: string }>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code, signal) => {
      const killed = !weKilled && (signal !== null || code === SIGKILL_EXIT);
      remove()
        .then(() => rm(options.bundleDir, { recursive: true, force: true }))
        .then(() => resolve({ killed, stderr: stderr.trim() }), reject);
    });
  });
  return {
    stdin,
    send: (line) => void messages.write(`${line}\n`),
    kill: async () => {
      weKilled = true;
      lifeLine.destroy();
      stdin.destroy();
      await remove();
      child.kill("SIGKILL");
      await ended;
    },
    oomKills: () => readOomKills(options.cgroupsPath),
    ended,
  };
}

/** Calls back with each line, cut at `maxBytes`; the rest of a longer line is dropped. */
function splitLines(stream: Readable, maxBytes: number, onLine: (line: string) => void): void {
  let rest = Buffer.alloc(0);
  let skipping = false;
  const end = () => {
    if (rest.length > 0 && !skipping) onLine(rest.toString("utf8"));
    rest = Buffer.alloc(0);
    skipping = false;
  };
  stream.on("data", (chunk: Buffer) => {
    let from = 0;
    for (let at = chunk.indexOf(10); at !== -1; at = chunk.indexOf(10, from)) {
      if (!skipping) onLine(Buffer.concat([rest, chunk.subarray(from, at)]).toString("utf8"));
      rest = Buffer.alloc(0);
      skipping = false;
      from = at + 1;
    }
    if (skipping) return;
    rest = Buffer.concat([rest, chunk.subarray(from)]);
    if (rest.length > maxBytes) {
      onLine(rest.subarray(0, maxBytes).toString("utf8"));
      rest = Buffer.alloc(0);
      skipping = true;
    }
  });
  stream.on("end", end);
  stream.on("error", () => {});
}
