import { run } from "../../core/host/spawn.ts";

export interface Round {
  requestsPerSecond: number;
  p50Ms: number;
  p99Ms: number;
}

export interface WrkOptions {
  seconds: number;
  connections: number;
  headers?: Record<string, string>;
}

/** One thread of `wrk` against the URL. @throws Error when an answer is an error or does not come */
export async function wrk(url: string, { seconds, connections, headers = {} }: WrkOptions): Promise<Round> {
  const named = Object.entries(headers).flatMap(([name, value]) => ["-H", `${name}: ${value}`]);
  const { stdout } = await run(["wrk", "-t1", `-c${connections}`, `-d${seconds}s`, "--latency", ...named, url], { timeoutMs: 120_000 });
  if (/errors: connect [1-9]|errors: .*(?:read|write) [1-9]|Non-2xx/.test(stdout)) throw new Error(stdout);
  const toMs = (name: string) => {
    const [, value, unit] = new RegExp(`${name}%\\s+([\\d.]+)(us|ms|s)`).exec(stdout) ?? [];
    return Number(value) * (unit === "us" ? 0.001 : unit === "s" ? 1000 : 1);
  };
  return { requestsPerSecond: Number(/Requests\/sec:\s+([\d.]+)/.exec(stdout)?.[1]), p50Ms: toMs("50"), p99Ms: toMs("99") };
}
