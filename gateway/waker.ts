/** Wakes instances at their nodes' agents: `core/contract/wake.ts`. One question an instance at a time, however many requests wait. */
import { Agent, request } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import type { Endpoint } from "../core/contract/gateway-channel.ts";
import type { InstanceId } from "../core/contract/ids.ts";
import { wakePath } from "../core/contract/wake.ts";

const RETRY_MS = 100;

/** `woken`: it takes requests. `unreachable`: nobody listens at its node's agent; `failed`: it did not start, or is not there. */
export type WakeOutcome = { kind: "woken" } | { kind: "unreachable" | "failed"; detail: string };

export class Waker {
  readonly #agent = new Agent({ keepAlive: true, keepAliveMsecs: 30_000, maxFreeSockets: 64 });
  readonly #waking = new Map<InstanceId, Promise<WakeOutcome>>();

  /** An agent that is being started again is asked for so long as `patienceMs`. Never rejects. */
  wake(endpoint: Endpoint, timeoutMs: number, patienceMs: number): Promise<WakeOutcome> {
    const { instanceId } = endpoint;
    const known = this.#waking.get(instanceId);
    if (known !== undefined) return known;
    const waking = this.#ask(endpoint, timeoutMs, patienceMs).finally(() => this.#waking.delete(instanceId));
    this.#waking.set(instanceId, waking);
    return waking;
  }

  async #ask(endpoint: Endpoint, timeoutMs: number, patienceMs: number): Promise<WakeOutcome> {
    const { wake, instanceId } = endpoint;
    if (wake === undefined) return { kind: "failed", detail: "its node was never said" };
    for (const deadline = performance.now() + patienceMs; ; await sleep(RETRY_MS)) {
      try {
        const { status, body } = await this.#post(`${wake.url}${wakePath(instanceId)}`, wake.token, timeoutMs);
        return status === 200 ? { kind: "woken" } : { kind: "failed", detail: `${status} ${body.slice(0, 500)}` };
      } catch (error) {
        const { code, message } = error as NodeJS.ErrnoException;
        const isRefused = code === "ECONNREFUSED" || code === "ECONNRESET";
        if (!isRefused) return { kind: "failed", detail: message };
        if (performance.now() >= deadline) return { kind: "unreachable", detail: message };
      }
    }
  }

  #post(url: string, token: string, timeoutMs: number): Promise<{ status: number; body: string }> {
    return new Promise((resolve, reject) => {
      const asked = request(url, { method: "POST", agent: this.#agent, headers: { authorization: `Bearer ${token}`, "content-length": 0 } }, (response) => {
        let body = "";
        response.setEncoding("utf8").on("data", (text: string) => (body += text));
        response.on("end", () => resolve({ status: response.statusCode ?? 0, body }));
        response.on("error", reject);
      });
      const timer = setTimeout(() => asked.destroy(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs);
      asked.on("close", () => clearTimeout(timer));
      asked.on("error", reject);
      asked.end();
    });
  }

  close(): void {
    this.#agent.destroy();
  }
}
