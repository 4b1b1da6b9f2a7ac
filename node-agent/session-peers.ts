/** The far ends of sessions: a program in an instance's container, a connection to one of its ports. */
import { closeSync, fchownSync } from "node:fs";
import { readFile, rm } from "node:fs/promises";
import { connect, Socket } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Readable, Writable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import type { SessionProblem, SessionTarget, TerminalSize } from "../core/contract/sessions.ts";
import { CRUN_UNCOPIED, inNetns, onTerminal, resizeTerminal } from "../core/host/commands/crun.ts";
import type { RuntimeClass } from "../core/host/commands/runtime-class.ts";
import { SHARED_RLIMITS } from "../core/host/shared-limits.ts";
import { runUnchecked, start } from "../core/host/spawn.ts";
import { makePipe, memoryFile } from "../core/host/syscalls.ts";
import { startTimeOf } from "../core/host/process-stat.ts";
import { explainExecFailure } from "./plan.ts";

const PID_PAUSE_MS = 5;
/** From the hang-up to the kill. */
const HANGUP_GRACE_MS = 1000;
/** Of the file with what to run, for the runtime: after its three streams. */
const PROCESS_FD = 3;
const QUIET_LOOK_MS = 50;
const QUIET_LOOKS = 6;
const CONNECT_TIMEOUT_MS = 5000;
const MAX_REASON_CHARS = 2000;

/** It could not be opened: the reason is for whoever asked. */
export class CannotOpen extends Error {
  readonly problem: SessionProblem;
  constructor(code: SessionProblem["code"], detail: string) {
    super(detail);
    this.problem = { code, detail };
  }
}

export interface SessionPeer {
  input: Writable;
  outputs: readonly { stream: 1 | 2; from: Readable }[];
  /** Resolves when it has ended by itself and all that it said was read. */
  ended: Promise<{ code: number }>;
  resize(size: TerminalSize): void;
  /** Ends it, whatever it does. */
  cut(): void;
}

/** A running instance, as sessions see it. */
export interface SessionHost {
  id: string;
  runtime: RuntimeClass;
  /** For files of the agent's own. */
  dir: string;
  /** The app's own process, as its bundle says: user, environment, capabilities, limits, directory. */
  process: Record<string, unknown> & { env: string[]; rlimits: object[] };
  /** The app's user, as the host has it. */
  owner: { uid: number; gid: number };
  address: string;
  netnsPath: string;
}

/** Starts a program with the app's own rights; resolves when it runs. @throws CannotOpen */
export async function openExec(host: SessionHost, target: Extract<SessionTarget, { kind: "exec" }>, sessionId: string): Promise<SessionPeer> {
  const { args, terminal } = target;
  const [pidFile, innerPidFile] = [join(host.dir, `${sessionId}.pid`), join(host.dir, `${sessionId}.inner-pid`)];
  const argv = host.runtime.exec({ id: host.id, processFd: PROCESS_FD, pidFile, innerPidFile, hasTerminal: terminal !== null });
  const [input, output, errors] = [makePipe(), makePipe(), makePipe()];
  // Programs open their streams by name, too (`/dev/stderr`).
  for (const { read } of [input, output, errors]) fchownSync(read, host.owner.uid, host.owner.gid);
  const spec = memoryFile(JSON.stringify(execSpec(host, target)));
  const child = start(terminal === null ? argv : onTerminal(argv, terminal), {
    // Nothing of the agent's environment is the tenant's business, not even crun's.
    env: { PATH: process.env["PATH"], SHELL: "/bin/sh", [CRUN_UNCOPIED]: process.env[CRUN_UNCOPIED] },
    stdio: [input.read, output.write, errors.write, spec],
  });
  for (const descriptor of [input.read, output.write, errors.write, spec]) closeSync(descriptor);
  const stdin = new Socket({ fd: input.write, readable: false, writable: true });
  const [stdout, stderr] = [output.read, errors.read].map((fd) => new Socket({ fd, readable: true, writable: false })) as [Socket, Socket];
  for (const stream of [stdin, stdout, stderr]) stream.on("error", () => {});
  const closed = Promise.all([stdout, stderr].map((stream) => new Promise<void>((resolve) => stream.once("close", () => resolve()))));
  const ended = new Promise<{ code: number }>((resolve) => {
    child.once("error", () => resolve({ code: 255 }));
    // What it left running may hold its streams open for ever.
    child.once("exit", (code) => void Promise.race([closed, untilQuiet([stdout, stderr])]).then(() => resolve({ code: code ?? 137 })));
  });
  const pid = await Promise.race([readPid(pidFile, () => child.exitCode !== null || child.signalCode !== null), ended.then(() => undefined)]);
  const innerPid = pid === undefined || !host.runtime.hasOwnKernel ? undefined : await readPid(innerPidFile, () => child.exitCode !== null || child.signalCode !== null);
  for (const file of [pidFile, innerPidFile]) await rm(file, { force: true });
  if (pid === undefined && (child.exitCode === null || child.exitCode === host.runtime.execNotStarted)) {
    child.kill("SIGKILL");
    let said = "";
    for (const stream of [stdout, stderr]) stream.on("data", (chunk: Buffer) => (said = `${said}${chunk.toString("utf8")}`.slice(0, MAX_REASON_CHARS)));
    await ended;
    throw new CannotOpen("exec_failed", explainExecFailure(args[0] ?? "", said));
  }
  // A program that is over at once may leave no id behind.
  const startTime = pid === undefined ? undefined : startTimeOf(pid);
  const signal = async (name: NodeJS.Signals) => {
    if (innerPid !== undefined && host.runtime.killInner) return void (await runUnchecked(host.runtime.killInner(host.id, innerPid, name)));
    if (pid === undefined || startTime === undefined || startTimeOf(pid) !== startTime) return;
    try {
      // The runtime made it the leader of its group.
      process.kill(-pid, name);
    } catch {
      // It has ended meanwhile.
    }
  };
  return {
    input: stdin,
    outputs: [{ stream: 1, from: stdout }, { stream: 2, from: stderr }],
    ended,
    resize: ({ columns, rows }) => void (pid !== undefined && runUnchecked(resizeTerminal(pid, rows, columns))),
    cut: () => {
      void (async () => {
        await signal("SIGHUP");
        const late = await Promise.race([ended.then(() => false), sleep(HANGUP_GRACE_MS, true)]);
        if (late) await signal("SIGKILL");
        child.kill("SIGKILL");
        for (const stream of [stdin, stdout, stderr]) stream.destroy();
      })();
    },
  };
}

function execSpec({ process: inherited }: SessionHost, { args, terminal }: Extract<SessionTarget, { kind: "exec" }>) {
  const own = { ...inherited, rlimits: [...inherited.rlimits, ...SHARED_RLIMITS] };
  if (terminal === null) return { ...own, args, terminal: false };
  const env = [...own.env.filter((entry) => !entry.startsWith("TERM=")), `TERM=${terminal.term}`];
  return { ...own, args, env, terminal: true, consoleSize: { height: terminal.rows, width: terminal.columns } };
}

async function readPid(path: string, isOver: () => boolean): Promise<number | undefined> {
  while (!isOver()) {
    const text = await readFile(path, "utf8").catch(() => "");
    if (/^\d+/.test(text)) return Number.parseInt(text, 10);
    await sleep(PID_PAUSE_MS);
  }
  // It may have been quick.
  const text = await readFile(path, "utf8").catch(() => "");
  return /^\d+/.test(text) ? Number.parseInt(text, 10) : undefined;
}

/** Resolves when the streams have had nothing to read for a while; one that waits for its reader has. */
async function untilQuiet(streams: readonly Readable[]): Promise<void> {
  for (let quiet = 0; quiet < QUIET_LOOKS; ) {
    await sleep(QUIET_LOOK_MS);
    quiet = streams.every((stream) => !stream.isPaused() && stream.readableLength === 0) ? quiet + 1 : 0;
    if (streams.every((stream) => stream.destroyed)) return;
  }
}

/** Connects to a port of the instance: to its address, or from within its network where only its loopback listens. @throws CannotOpen */
export async function openPort(host: SessionHost, port: number): Promise<SessionPeer> {
  const socket = await connectTo(host.address, port);
  if (socket !== undefined) return socketPeer(socket);
  return openLoopback(host, port);
}

function connectTo(address: string, port: number): Promise<Socket | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ host: address, port, timeout: CONNECT_TIMEOUT_MS, allowHalfOpen: true });
    const fail = () => {
      socket.destroy();
      resolve(undefined);
    };
    socket.once("timeout", fail);
    socket.once("error", fail);
    socket.once("connect", () => {
      socket.setTimeout(0);
      socket.off("error", fail);
      resolve(socket);
    });
  });
}

function socketPeer(socket: Socket): SessionPeer {
  socket.on("error", () => {});
  // The instance's end closes the connection; the client's does not: what was asked last is still answered.
  socket.once("end", () => socket.end());
  return {
    input: socket,
    outputs: [{ stream: 1, from: socket }],
    ended: new Promise((resolve) => socket.once("close", () => resolve({ code: 0 }))),
    resize: () => {},
    cut: () => socket.destroy(),
  };
}

/** A small process in the instance's network namespace says `\0` when it is connected, then passes bytes on. */
async function openLoopback(host: SessionHost, port: number): Promise<SessionPeer> {
  const helper = fileURLToPath(new URL("forward.ts", import.meta.url));
  const child = start(inNetns(host.netnsPath, [process.execPath, "--max-old-space-size=32", helper, String(port)]), { env: { PATH: process.env["PATH"] }, stdio: ["pipe", "pipe", "ignore"] });
  const [stdin, stdout] = [child.stdin, child.stdout] as [Writable, Readable];
  for (const stream of [stdin, stdout]) stream.on("error", () => {});
  const ended = new Promise<{ code: number }>((resolve) => {
    child.once("error", () => resolve({ code: 1 }));
    child.once("close", () => resolve({ code: 0 }));
  });
  const first = await new Promise<Buffer | undefined>((resolve) => {
    stdout.once("readable", () => resolve((stdout.read(1) as Buffer | null) ?? undefined));
    void ended.then(() => resolve(undefined));
  });
  if (first === undefined) {
    child.kill("SIGKILL");
    throw new CannotOpen("port_refused", `Nothing listens on port ${port} of the instance.`);
  }
  return { input: stdin, outputs: [{ stream: 1, from: stdout }], ended, resize: () => {}, cut: () => void child.kill("SIGKILL") };
}
