/** One structured line per request, job and loop pass, on stdout. */
import { pino, type Logger } from "pino";

export type Log = Logger;

export function openLog(part: string, level = "info"): Log {
  return pino({ level, base: { part }, timestamp: pino.stdTimeFunctions.isoTime });
}
