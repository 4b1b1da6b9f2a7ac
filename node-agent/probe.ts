/** Whether an app takes requests, asked from the host as the gateway would. */
import { readFile } from "node:fs/promises";
import { request } from "node:http";
import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import type { DesiredInstance } from "../core/contract/node-channel.ts";
import { parseListeners, probePauseMs, type Listener } from "./plan.ts";

const ATTEMPT_TIMEOUT_MS = 5000;

/** Resolves to true once the app is ready, to false when the signal says to stop asking. */
export async function untilReady(address: string, desired: Pick<DesiredInstance, "port" | "readiness">, signal: AbortSignal): Promise<boolean> {
  const startedAt = performance.now();
  while (!signal.aborted) {
    const { readiness, port } = desired;
    const ready = readiness.kind === "tcp" ? await acceptsTcp(address, port, signal) : await answersHttp(address, port, readiness.path, signal);
    if (ready && !signal.aborted) return true;
    await sleep(probePauseMs(performance.now() - startedAt), undefined, { signal }).catch(() => {});
  }
  return false;
}

function acceptsTcp(address: string, port: number, signal: AbortSignal): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: address, port, timeout: ATTEMPT_TIMEOUT_MS, signal });
    const end = (ready: boolean) => {
      socket.destroy();
      resolve(ready);
    };
    socket.once("connect", () => end(true));
    socket.once("timeout", () => end(false));
    socket.once("error", () => end(false));
  });
}

function answersHttp(address: string, port: number, path: string, signal: AbortSignal): Promise<boolean> {
  return new Promise((resolve) => {
    const asked = request({ host: address, port, path, agent: false, timeout: ATTEMPT_TIMEOUT_MS, signal, headers: { "user-agent": "berth-probe" } }, (response) => {
      const status = response.statusCode ?? 0;
      asked.destroy();
      resolve(status >= 200 && status < 400);
    });
    asked.once("timeout", () => asked.destroy());
    asked.once("error", () => resolve(false));
    asked.end();
  });
}

/** What the processes in the network namespace of `pid` listen on. */
export async function readListeners(pid: number): Promise<Listener[]> {
  const texts = await Promise.all(["tcp", "tcp6"].map((file) => readFile(`/proc/${pid}/net/${file}`, "utf8").catch(() => "")));
  return texts.flatMap(parseListeners);
}
