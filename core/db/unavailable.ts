/** Telling «the database is away» from «the query is wrong». */

const NETWORK = new Set(["ECONNREFUSED", "ECONNRESET", "EPIPE", "ETIMEDOUT", "EHOSTUNREACH", "ENETUNREACH", "ENOTFOUND", "EAI_AGAIN", "ENOENT"]);
/** connection exceptions (08), admin shutdown, crash, starting up (57P01–57P03), too many connections. */
const SQLSTATE = /^(08...|57P0[123]|53300)$/;
/** What pg says without a code of its own: lib/client.js and pg-pool's index.js. */
const MESSAGES = [
  "timeout exceeded when trying to connect",
  "Connection terminated",
  "Query read timeout",
  "Client has encountered a connection error",
  "Client was closed and is not queryable",
];

/** Whether the error, or what caused it, means that PostgreSQL cannot be asked now. */
export function isDatabaseUnavailable(error: unknown): boolean {
  for (let at = error, depth = 0; at instanceof Error && depth < 8; at = at.cause, depth++) {
    const code = (at as { code?: unknown }).code;
    if (typeof code === "string" && (NETWORK.has(code) || SQLSTATE.test(code))) return true;
    if (MESSAGES.some((message) => at instanceof Error && at.message.startsWith(message))) return true;
    if (at instanceof AggregateError && at.errors.some(isDatabaseUnavailable)) return true;
  }
  return false;
}
