/** The one place that starts other programs: an argument array, no shell, bounded output and time. */
import { spawn, type ChildProcess, type SpawnOptions } from "node:child_process";
import type { Readable } from "node:stream";

export interface RunOptions {
  input?: string | Uint8Array;
  /** Ends the program with SIGKILL after this long. */
  timeoutMs?: number;
  /** Most bytes kept of stdout and of stderr each; the rest is dropped. */
  maxOutputBytes?: number;
  env?: NodeJS.ProcessEnv;
  cwd?: string;
  signal?: AbortSignal;
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

/** Starts programs in this process's place. */
export interface Runner {
  run(argv: readonly string[], options: RunOptions): Promise<RunResult>;
  line(argv: readonly string[], options: LineOptions): Promise<LineResult>;
}

let runner: Runner | undefined;

/** From now on this one starts the programs of `run` and `runLine`; undefined: this process itself does. */
export function useRunner(other: Runner | undefined): void {
  runner = other;
}

/** Runs a program to its end, whatever its exit code. Throws only when it cannot be started. */
export function runUnchecked(argv: readonly string[], options: RunOptions = {}): Promise<RunResult> {
  // A signal cannot be sent along.
  return runner && !options.signal ? runner.run(argv, options) : runHere(argv, options);
}

/** Starts a program that lives on by itself, and waits for the first line on its descriptor 3. Throws when it cannot be started or says nothing in time. */
export function runLine(argv: readonly string[], options: LineOptions): Promise<LineResult> {
  return runner ? runner.line(argv, options) : lineHere(argv, options);
}

function lineHere(argv: readonly string[], { timeoutMs, ...options }: LineOptions): Promise<LineResult> {
  return new Promise((resolve, reject) => {
    const child = start(argv, { ...options, stdio: ["ignore", "ignore", "pipe", "pipe"], detached: true });
    const [pipe, errors] = [child.stdio[3] as Readable, child.stderr as Readable];
    let text = "";
    let stderr = "";
    const finish = (error?: Error) => {
      clearTimeout(timer);
      pipe.destroy();
      errors.destroy();
      child.unref();
      if (error) reject(error);
      else resolve({ line: text.split("\n")[0] ?? "", stderr });
    };
    const timer = setTimeout(() => finish(new Error(`«${argv[0]}» said nothing within ${timeoutMs} ms: ${stderr.trim()}`)), timeoutMs);
    child.on("error", finish);
    errors.on("data", (chunk: Buffer) => (stderr = (stderr + chunk.toString("utf8")).slice(-4096)));
    pipe.on("data", (chunk: Buffer) => {
      text += chunk.toString("utf8");
      if (text.includes("\n")) finish();
    });
    pipe.on("end", () => finish());
  });
}

function runHere(argv: readonly string[], options: RunOptions): Promise<RunResult> {
  const { timeoutMs = 60_000, maxOutputBytes = 2 ** 20 } = options;
  return new Promise((resolve, reject) => {
    const settings: SpawnOptions = {
      stdio: [options.input === undefined ? "ignore" : "pipe", "pipe", "pipe"],
      ...(options.env === undefined ? {} : { env: options.env }),
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
      ...(options.signal === undefined ? {} : { signal: options.signal, killSignal: "SIGKILL" }),
    };
    const child = start(argv, settings);
    const stdout = collect(child.stdout, maxOutputBytes);
    const stderr = collect(child.stderr, maxOutputBytes);
    const timer = setTimeout(() => child.kill("SIGKILL"), timeoutMs);
    child.on("error", (error) => {
      clearTimeout(timer);
      reject(error);
    });
    child.on("close", (code, signal) => {
      clearTimeout(timer);
      resolve({ code, signal, stdout: stdout(), stderr: stderr() });
    });
    // The program may end before it has read its input; its exit code says what was wrong.
    child.stdin?.on("error", () => {});
    if (options.input !== undefined) child.stdin?.end(options.input);
  });
}

/** Starts a program and leaves its streams and its end to the caller. */
export function start(argv: readonly string[], options: SpawnOptions): ChildProcess {
  const [command, ...args] = argv;
  if (command === undefined) throw new TypeError("an empty argument array");
  return spawn(command, args, { ...options, shell: false });
}

function collect(stream: NodeJS.ReadableStream | null, maxBytes: number): () => string {
  const chunks: Buffer[] = [];
  let kept = 0;
  stream?.on("data", (chunk: Buffer) => {
    if (kept < maxBytes) chunks.push(chunk.subarray(0, maxBytes - kept));
    kept += chunk.length;
  });
  return () => Buffer.concat(chunks).toString("utf8");
}
