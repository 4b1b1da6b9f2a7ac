/** Medians, percentiles and waiting for the first answer. Times in milliseconds. */
import { setTimeout as sleep } from "node:timers/promises";
import { ask } from "../../test/support/stack.ts";

export function median(values: readonly number[]): number {
  return percentile(values, 50);
}

/** Nearest-rank percentile of at least one value. */
export function percentile(values: readonly number[], p: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  const rank = Math.max(1, Math.ceil((p / 100) * sorted.length));
  const value = sorted[rank - 1];
  if (value === undefined) throw new RangeError("a percentile of nothing");
  return value;
}

export async function timed<T>(work: () => Promise<T>): Promise<{ ms: number; value: T }> {
  const startedAt = performance.now();
  const value = await work();
  return { ms: performance.now() - startedAt, value };
}

/** Asks for `/` of the host until the answer is as wanted; the timeout is an error. */
export async function untilAnswer(base: string, host: string, wanted: (body: string) => boolean, timeoutMs = 60_000, path = "/"): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const answer = await ask(base, host, path).catch(() => undefined);
    if (answer?.status === 200 && wanted(answer.body)) return;
    if (performance.now() > deadline) throw new Error(`${host} did not answer as wanted within ${timeoutMs} ms: ${JSON.stringify(answer)}`);
    await sleep(2);
  }
}
