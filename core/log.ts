/** One structured line per request, job and loop pass, on stdout. */
import { pino, type Logger } from "pino";

export type Log = Logger;

export function openLog(part: string, level = "info"): Log {
  return pino({ level, base: { part }, timestamp: pino.stdTimeFunctions.isoTime, serializers: { err: describe } });
}

/** A query that failed carries its parameters, which may be anybody's variables: only what it asked and why it failed is written. */
function describe(error: unknown): unknown {
  for (let each = error; each instanceof Error; each = each.cause) {
    if (!("query" in each && "params" in each)) continue;
    const { query, cause } = each as Error & { query: unknown };
    const why = cause instanceof Error ? cause.message : "";
    return pino.stdSerializers.err(Object.assign(new Error(`query failed: ${why}: ${String(query)}`), { code: (cause as { code?: string } | undefined)?.code }));
  }
  return pino.stdSerializers.err(error as Error);
}
