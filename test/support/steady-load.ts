/** Requests at a steady rate, whether or not the last ones were answered: what fails is kept with why. */
import { Agent, request } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";

export interface LoadOptions {
  host: string;
  port: number;
  address?: string;
  path?: string;
  perSecond: number;
  /** An answer that takes longer counts as none. */
  timeoutMs?: number;
}

export interface LoadResult {
  sent: number;
  /** Status and body's beginning, or the error, of each that was not answered with 200. */
  failed: string[];
  /** Answers by their body. */
  bodies: Map<string, number>;
  slowestMs: number;
}

/** Begins at once; the function it gives ends it, waits for what is under way, and says how it was. */
export function startSteadyLoad({ host, port, address = "127.0.0.1", path = "/", perSecond, timeoutMs = 15_000 }: LoadOptions): () => Promise<LoadResult> {
  const agent = new Agent({ keepAlive: true, maxSockets: 256 });
  const result: LoadResult = { sent: 0, failed: [], bodies: new Map(), slowestMs: 0 };
  const underWay = new Set<Promise<void>>();
  const ask = () => {
    const startedAt = performance.now();
    const answered = new Promise<void>((resolve) => {
      const fail = (why: string) => {
        result.failed.push(why);
        resolve();
      };
      const asked = request({ host: address, port, path, agent, headers: { host }, timeout: timeoutMs }, (response) => {
        let body = "";
        response.setEncoding("utf8").on("data", (text: string) => (body += text));
        response.on("error", (error) => fail(error.message));
        response.on("end", () => {
          result.slowestMs = Math.max(result.slowestMs, performance.now() - startedAt);
          if (response.statusCode !== 200) return fail(`${response.statusCode} ${body.slice(0, 100)}`);
          result.bodies.set(body, (result.bodies.get(body) ?? 0) + 1);
          resolve();
        });
      });
      asked.on("error", (error) => fail(error.message)).on("timeout", () => asked.destroy(new Error(`no answer within ${timeoutMs} ms`)));
      asked.end();
    }).finally(() => underWay.delete(answered));
    underWay.add(answered);
  };
  const beganAt = performance.now();
  const timer = setInterval(() => {
    for (const due = ((performance.now() - beganAt) * perSecond) / 1000; result.sent < due; result.sent++) ask();
  }, 5);
  return async () => {
    clearInterval(timer);
    while (underWay.size > 0) await Promise.race([...underWay, sleep(100)]);
    agent.destroy();
    return result;
  };
}
