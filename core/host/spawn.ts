/** The one place that starts other programs: an argument array, no shell, bounded output and time. */
import { spawn, type ChildProcess, type SpawnOptions } from "node:child_process";
import { closeSync } from "node:fs";
import { Socket } from "node:net";
import { spawnSoon, untilExited, type SpawnSettings } from "./posix-spawn.ts";
import { makePipe, memoryFile } from "./syscalls.ts";

export interface RunOptions {
  input?: string | Uint8Array;
  /** Ends the program with SIGKILL after this long. */
  timeoutMs?: number;
  /** Most bytes kept of stdout and of stderr each; the rest is dropped. */
  maxOutputBytes?: number;
  /** Programs are looked for along this process's PATH all the same. */
  env?: NodeJS.ProcessEnv;
  cwd?: string;
  /** Ends the program with SIGKILL, too; what `run` throws is its reason then. */
  signal?: AbortSignal | undefined;
}

export interface RunResult {
  /** 128 + signal number is not used: `signal` tells. */
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

export class CommandError extends Error {
  readonly argv: readonly string[];
  readonly result: RunResult;

  constructor(argv: readonly string[], result: RunResult) {
    const how = result.signal ? `was ended by ${result.signal}` : `ended with code ${result.code}`;
    super(`«${argv.join(" ")}» ${how}: ${(result.stderr || result.stdout).trim().slice(-2000)}`);
    this.name = "CommandError";
    this.argv = argv;
    this.result = result;
  }
}

/** Runs a program to its end. Throws `CommandError` unless it ends with code 0. */
export async function run(argv: readonly string[], options: RunOptions = {}): Promise<RunResult> {
  const result = await runUnchecked(argv, options);
  if (result.code !== 0) throw new CommandError(argv, result);
  return result;
}

export interface LineOptions {
  timeoutMs: number;
  env?: NodeJS.ProcessEnv;
  cwd?: string;
}

/** The first line that a program wrote to its descriptor 3, empty when there was none, and the end of its stderr. */
export interface LineResult {
  line: string;
  stderr: string;
}

/** Runs a program to its end, whatever its exit code. Throws only when it cannot be started. */
export async function runUnchecked(argv: readonly string[], { input, timeoutMs = 60_000, maxOutputBytes = 2 ** 20, env, cwd, signal }: RunOptions = {}): Promise<RunResult> {
  signal?.throwIfAborted();
  // A file holds as much as there is, and nobody has to feed it.
  const stdin = input === undefined ? null : memoryFile(input);
  const { pid, readers } = await startPiped(argv, { env, cwd, descriptors: [stdin], pipes: 2 });
  const kill = () => killNow(pid);
  const timer = setTimeout(kill, timeoutMs);
  signal?.addEventListener("abort", kill);
  // Meanwhile it may have begun to.
  if (signal?.aborted) kill();
  const [stdout = "", stderr = ""] = await Promise.all(readers.map((reader) => collect(reader, maxOutputBytes)));
  // It may go on without them.
  const end = await untilExited(pid);
  clearTimeout(timer);
  signal?.removeEventListener("abort", kill);
  signal?.throwIfAborted();
  return { ...end, stdout, stderr };
}

/** Starts a program that lives on by itself, and waits for the first line on its descriptor 3. Throws when it cannot be started or says nothing in time. */
export async function runLine(argv: readonly string[], { timeoutMs, env, cwd }: LineOptions): Promise<LineResult> {
  const { pid, readers: [errors, pipe] } = await startPiped(argv, { env, cwd, descriptors: [null, null], pipes: 2, hasOwnSession: true });
  let stderr = "";
  errors?.on("data", (chunk: Buffer) => (stderr = (stderr + chunk.toString("utf8")).slice(-4096)));
  const line = await new Promise<string | undefined>((resolve) => {
    let text = "";
    const timer = setTimeout(() => resolve(undefined), timeoutMs);
    const finish = () => {
      clearTimeout(timer);
      resolve(text.split("\n")[0]);
    };
    pipe?.on("data", (chunk: Buffer) => {
      text += chunk.toString("utf8");
      if (text.includes("\n")) finish();
    });
    pipe?.on("close", finish);
  });
  for (const reader of [errors, pipe]) reader?.destroy();
  // What lives on is a child of its own by now.
  if (line === undefined) killNow(pid);
  untilExited(pid).catch(() => {});
  if (line === undefined) throw new Error(`«${argv[0]}» said nothing within ${timeoutMs} ms: ${stderr.trim()}`);
  return { line, stderr };
}

/** `descriptors` are the program's first ones and this closes them; so many pipes come next, which this process reads. */
async function startPiped(argv: readonly string[], { descriptors, pipes, ...settings }: SpawnSettings & { pipes: number }): Promise<{ pid: number; readers: Socket[] }> {
  const ours: number[] = [];
  const theirs = [...descriptors];
  try {
    while (ours.length < pipes) {
      const { read, write } = makePipe();
      ours.push(read);
      theirs.push(write);
    }
    const pid = await spawnSoon(argv, { ...settings, descriptors: theirs });
    // What cannot be read has ended.
    return { pid, readers: ours.map((fd) => new Socket({ fd, readable: true, writable: false }).on("error", () => {})) };
  } catch (error) {
    ours.forEach((descriptor) => closeSync(descriptor));
    throw error;
  } finally {
    for (const descriptor of theirs) if (descriptor !== null) closeSync(descriptor);
  }
}

function killNow(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It has just ended.
  }
}

/** Starts a program and leaves its streams and its end to the caller. */
export function start(argv: readonly string[], options: SpawnOptions): ChildProcess {
  const [command, ...args] = argv;
  if (command === undefined) throw new TypeError("an empty argument array");
  return spawn(command, args, { ...options, shell: false });
}

async function collect(stream: Socket, maxBytes: number): Promise<string> {
  const chunks: Buffer[] = [];
  let kept = 0;
  stream.on("data", (chunk: Buffer) => {
    if (kept < maxBytes) chunks.push(chunk.subarray(0, maxBytes - kept));
    kept += chunk.length;
  });
  await new Promise((resolve) => stream.once("close", resolve));
  return Buffer.concat(chunks).toString("utf8");
}
