/**
 * `node infra/supervisor.ts <parts.json>`: keeps the parts of one Berth running on a host without a service manager.
 * SIGHUP: reads the file again, restarts what has changed. Its own end touches no part; the next one finds them by
 * their pid files.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { PartsSchema, type Part } from "./parts.ts";
import { runningPid, startDetached, stopByPidFile } from "./process.ts";

const TICK_MS = 200;
const FIRST_BACKOFF_MS = 250;
const MAX_BACKOFF_MS = 60_000;
/** A part that ran for so long starts at the shortest back-off again. */
const STEADY_MS = 600_000;
/** …and one that ran for so long is not counted as failing to start. */
const STARTED_MS = 5_000;

interface Attempt {
  startedAtMs: number;
  backoffMs: number;
  notBeforeMs: number;
}

const file = process.argv[2];
if (file === undefined) throw new Error("usage: node infra/supervisor.ts <parts.json>");

const attempts = new Map<string, Attempt>();
let parts = read(file);
let busy = false;

function read(path: string): Part[] {
  return PartsSchema.parse(JSON.parse(readFileSync(path, "utf8")));
}

function say(event: Record<string, unknown>): void {
  console.log(JSON.stringify({ time: new Date().toISOString(), part: "supervisor", ...event }));
}

/** How a part was started that runs now; another fingerprint wants a restart. */
function startedFingerprint(part: Part): string | undefined {
  try {
    return readFileSync(`${part.pidFile}.fingerprint`, "utf8");
  } catch {
    return undefined;
  }
}

async function look(now: number): Promise<void> {
  if (busy) return;
  busy = true;
  try {
    await Promise.all(parts.map((part) => lookAt(part, now).catch((error: unknown) => say({ name: part.name, msg: "failed", error: String(error) }))));
  } finally {
    busy = false;
  }
}

async function lookAt(part: Part, now: number): Promise<void> {
  const pid = runningPid(part.pidFile);
  if (pid !== undefined && part.enabled && startedFingerprint(part) === part.fingerprint) return;
  if (pid !== undefined) {
    say({ name: part.name, msg: part.enabled ? "restarting: it has changed" : "stopping", pid });
    await stopByPidFile(part.pidFile, { signal: part.enabled ? part.restartSignal : "SIGTERM", timeoutMs: part.stopTimeoutMs });
    attempts.delete(part.name);
  }
  if (!part.enabled) return;
  const attempt = attempts.get(part.name);
  if (attempt !== undefined && pid === undefined && attempt.notBeforeMs === 0) {
    const ranMs = now - attempt.startedAtMs;
    const backoffMs = ranMs > STEADY_MS ? FIRST_BACKOFF_MS : attempt.backoffMs;
    attempts.set(part.name, { ...attempt, backoffMs, notBeforeMs: ranMs > STARTED_MS ? now : now + backoffMs });
    say({ name: part.name, msg: "ended", ranMs });
  }
  const waiting = attempts.get(part.name);
  if (waiting !== undefined && now < waiting.notBeforeMs) return;
  // Written first: a start without it would look like an outdated one.
  writeFileSync(`${part.pidFile}.fingerprint`, part.fingerprint);
  const started = startDetached(part);
  attempts.set(part.name, { startedAtMs: now, backoffMs: Math.min((waiting?.backoffMs ?? FIRST_BACKOFF_MS / 2) * 2, MAX_BACKOFF_MS), notBeforeMs: 0 });
  say({ name: part.name, msg: "started", pid: started });
}

process.on("SIGHUP", () => {
  try {
    parts = read(file);
    attempts.clear();
  } catch (error) {
    say({ msg: "the file of parts cannot be read", error: String(error) });
  }
});
for (const signal of ["SIGTERM", "SIGINT"] as const) {
  process.once(signal, () => {
    clearInterval(timer);
    // A start or stop under way is finished first: its pid file must be right.
    setInterval(() => !busy && process.exit(0), 20);
  });
}

const timer = setInterval(() => void look(Date.now()), TICK_MS);
await look(Date.now());
