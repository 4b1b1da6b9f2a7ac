/**
 * HAProxy's process: started detached, so that it outlives the controller; found again by its pid file; reloaded
 * by a new process that takes the listeners over. The pid file names the process in charge first, then former ones
 * that still finish connections; each with its start time and the boot's id, so that a reused pid is never taken for it.
 */
import { closeSync, mkdirSync, openSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { startTimeOf } from "../core/host/process-stat.ts";
import { start } from "../core/host/spawn.ts";
import { openAdminSocket, type AdminSocket } from "./admin-socket.ts";
import { buildConfig, buildPages, buildSkeleton, type ConfigOptions } from "./commands/config.ts";
import { buildMaps, MAP_NAMES } from "./commands/files.ts";
import type { SlotWanted } from "./plan.ts";

const START_TIMEOUT_MS = 15_000;
const ADOPT_TIMEOUT_MS = 5000;
const BOOT_ID = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();

interface ProcessId {
  pid: number;
  startTime: string;
}

export interface Running {
  admin: AdminSocket;
  pid: number;
  /** The process, never used again by another one. */
  identity: string;
}

/** The process in charge, if it runs and answers; else undefined. */
export async function adopt(options: ConfigOptions): Promise<Running | undefined> {
  const { files } = options;
  const all = readPids(files.pidFile).filter(isRunning);
  for (const deadline = Date.now() + ADOPT_TIMEOUT_MS; all.some(isRunning) && Date.now() < deadline; await sleep(20)) {
    const running = await answering(options, all);
    if (running !== undefined) return running;
  }
  // They neither answer nor can be told anything: better a new one.
  for (const one of all) signal(one, "SIGKILL");
  return undefined;
}

/** Whether what runs was started from the same configuration, servers aside. */
export function isCurrent(options: ConfigOptions): boolean {
  try {
    return readFileSync(options.files.config, "utf8").startsWith(buildSkeleton(options)) && countBackends(options) === options.slotCount;
  } catch {
    return false;
  }
}

function countBackends(options: ConfigOptions): number {
  return readFileSync(options.files.config, "utf8").match(/^backend slot_/gm)?.length ?? 0;
}

/** Starts HAProxy with these slots. When one runs already, the new one takes its listeners over and lets it finish. */
export async function startHaproxy(options: ConfigOptions, slots: ReadonlyMap<string, SlotWanted>): Promise<Running> {
  const { files } = options;
  const former = readPids(files.pidFile).filter(isRunning);
  mkdirSync(join(files.admin, ".."), { recursive: true, mode: 0o711 });
  mkdirSync(files.pages, { recursive: true, mode: 0o755 });
  for (const [name, content] of Object.entries(buildPages(options))) writeFileSync(join(files.pages, name), content);
  const maps = buildMaps(slots);
  // One of them says which passwords open an app.
  for (const name of MAP_NAMES) writeFileSync(files[name], maps[name], { mode: 0o600 });
  writeFileSync(`${files.config}.new`, buildConfig(options, slots), { mode: 0o600 });
  renameSync(`${files.config}.new`, files.config);
  const [replaced] = former;
  const takeOver = replaced === undefined ? [] : ["-x", files.admin, "-sf", String(replaced.pid)];
  const log = openSync(files.log, "a", 0o640);
  const child = start(["haproxy", "-db", "-f", files.config, ...takeOver], { detached: true, stdio: ["ignore", log, log] });
  closeSync(log);
  // One that cannot be started is seen as «not running» below.
  child.on("error", () => {});
  child.unref();
  const startTime = child.pid === undefined ? undefined : startTimeOf(child.pid);
  if (child.pid === undefined || startTime === undefined) throw new Error("haproxy could not be started: is it installed?");
  const me = { pid: child.pid, startTime };
  writePids(files.pidFile, [...former, me]);
  for (const deadline = Date.now() + START_TIMEOUT_MS; isRunning(me) && Date.now() < deadline; await sleep(5)) {
    const running = await answering(options, [...former, me]);
    if (running?.pid === me.pid) return running;
    running?.admin.close();
  }
  const tail = readFileSync(files.log, "utf8").trimEnd().split("\n").slice(-5).join("\n");
  throw new Error(`haproxy did not start; ${files.log} ends with:\n${tail}`);
}

/** Whether a former process still finishes connections: what it holds cannot be asked any more. */
export function formerRuns(pidFile: string): boolean {
  return readPids(pidFile).slice(1).some(isRunning);
}

/** Lets requests end, at most for the time; then ends them. */
export async function stopHaproxy(pidFile: string, graceMs: number): Promise<void> {
  const all = readPids(pidFile).filter(isRunning);
  for (const one of all) signal(one, "SIGUSR1");
  for (const deadline = Date.now() + graceMs; all.some(isRunning) && Date.now() < deadline; ) await sleep(20);
  for (const one of all) signal(one, "SIGKILL");
  for (const deadline = Date.now() + 2000; all.some(isRunning) && Date.now() < deadline; ) await sleep(10);
  writePids(pidFile, []);
}

/** Which of the processes answers at the admin socket: that one is put first in the pid file. */
async function answering({ files }: ConfigOptions, processes: readonly ProcessId[]): Promise<Running | undefined> {
  const admin = await openAdminSocket(files.admin).catch(() => undefined);
  if (admin === undefined) return undefined;
  const info = await admin.send("show info").catch(() => "");
  const pid = Number(/^Pid: (\d+)$/m.exec(info)?.[1]);
  const me = processes.find((one) => one.pid === pid);
  if (me === undefined) {
    admin.close();
    return undefined;
  }
  writePids(files.pidFile, [me, ...processes.filter((one) => one !== me)]);
  return { admin, pid, identity: `${pid} ${me.startTime} ${BOOT_ID}` };
}

function readPids(path: string): ProcessId[] {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch {
    return [];
  }
  return text.split("\n").flatMap((line) => {
    const [pid, startTime, bootId] = line.split(" ");
    return pid === undefined || startTime === undefined || bootId !== BOOT_ID ? [] : [{ pid: Number(pid), startTime }];
  });
}

function writePids(path: string, processes: readonly ProcessId[]): void {
  writeFileSync(`${path}.new`, processes.map(({ pid, startTime }) => `${pid} ${startTime} ${BOOT_ID}\n`).join(""));
  renameSync(`${path}.new`, path);
}

function isRunning({ pid, startTime }: ProcessId): boolean {
  return startTimeOf(pid) === startTime;
}

function signal(one: ProcessId, name: NodeJS.Signals): void {
  if (!isRunning(one)) return;
  try {
    process.kill(one.pid, name);
  } catch {
    // It has ended in between.
  }
}
