/** Whether an app is well, asked from the host as the gateway would, or by a program beside it. */
import { readFile } from "node:fs/promises";
import { request } from "node:http";
import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import type { Check } from "../core/contract/checks.ts";
import { newId } from "../core/contract/ids.ts";
import { answersGrpc } from "./grpc-health.ts";
import { parseListeners, probePauseMs, type Listener } from "./plan.ts";
import { openExec, type SessionHost } from "./session-peers.ts";

const ATTEMPT_TIMEOUT_MS = 5000;

/** Where a check is asked. */
export interface Patient {
  address: string;
  port: number;
  /** For programs beside the app. */
  host: () => SessionHost;
  /** Whose network the host's kernel does not see into. */
  hasOwnKernel: boolean;
}

/** Resolves to true once the app is ready, to false when the signal says to stop asking. */
export async function untilReady(patient: Patient, check: Check, signal: AbortSignal, { timeoutMs = ATTEMPT_TIMEOUT_MS, periodMs = Number.POSITIVE_INFINITY } = {}): Promise<boolean> {
  const startedAt = performance.now();
  while (!signal.aborted) {
    if ((await isWell(patient, check, timeoutMs, signal)) && !signal.aborted) return true;
    await sleep(Math.min(periodMs, probePauseMs(performance.now() - startedAt)), undefined, { signal }).catch(() => {});
  }
  return false;
}

/** One answer; none in time is a bad one. */
export function isWell(patient: Patient, check: Check, timeoutMs: number, signal: AbortSignal): Promise<boolean> {
  if (check.kind === "exec") return endsWell(patient, check.command, timeoutMs, signal);
  const at = { address: patient.address, port: check.port ?? patient.port };
  if (check.kind === "tcp") return acceptsTcp(at, timeoutMs, signal);
  if (check.kind === "http") return answersHttp(at, check.path, timeoutMs, signal);
  return answersGrpc(at.address, at.port, check.service ?? "", timeoutMs, signal);
}

type Place = Pick<Patient, "address" | "port">;

function acceptsTcp({ address, port }: Place, timeoutMs: number, signal: AbortSignal): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: address, port, timeout: timeoutMs, signal });
    const end = (ready: boolean) => {
      socket.destroy();
      resolve(ready);
    };
    socket.once("connect", () => end(true));
    socket.once("timeout", () => end(false));
    socket.once("error", () => end(false));
  });
}

function answersHttp({ address, port }: Place, path: string, timeoutMs: number, signal: AbortSignal): Promise<boolean> {
  return new Promise((resolve) => {
    const within = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
    const asked = request({ host: address, port, path, agent: false, signal: within, headers: { "user-agent": "berth-probe" } }, (response) => {
      const status = response.statusCode ?? 0;
      asked.destroy();
      resolve(status >= 200 && status < 400);
    });
    asked.once("error", () => resolve(false));
    // An answer in another protocol is neither an answer nor an error.
    asked.once("close", () => resolve(false));
    asked.end();
  });
}

async function endsWell(patient: Patient, command: readonly string[], timeoutMs: number, signal: AbortSignal): Promise<boolean> {
  const late = sleep(timeoutMs, undefined, { signal }).catch(() => undefined);
  const peer = await openExec(patient.host(), { kind: "exec", args: [...command], terminal: null }, newId("request")).catch(() => undefined);
  if (peer === undefined) return false;
  // What it says is nobody's business.
  for (const { from } of peer.outputs) from.resume();
  peer.input.end();
  const end = await Promise.race([peer.ended, late]);
  peer.cut();
  return end?.code === 0;
}

/** What the processes in the network namespace of `pid` listen on. */
export async function readListeners(pid: number): Promise<Listener[]> {
  const texts = await Promise.all(["tcp", "tcp6"].map((file) => readFile(`/proc/${pid}/net/${file}`, "utf8").catch(() => "")));
  return texts.flatMap(parseListeners);
}
