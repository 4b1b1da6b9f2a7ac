/** How the CLI's requests are sent: retries of what changes nothing, limits of time, and errors that say what to do. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Problem } from "../client/index.ts";
import type { Target } from "./config.ts";
import { CliError, EXIT, problemError, usageError } from "./errors.ts";

const REQUEST_TIMEOUT_MS = 30_000;
/** Tries of a call that changes nothing. */
const SAFE_TRIES = 3;
const RETRY_DELAY_MS = 250;
const RETRY_AFTER_MAX_MS = 5000;
const RETRY_STATUS = new Set([429, 502, 503, 504]);

export interface Call {
  /** What is being done, for messages. */
  doing: string;
  signal?: AbortSignal;
  /** 0: no limit. */
  timeoutMs?: number;
}

/** Sends a request; only an answer of success comes back. @throws CliError */
export async function sendRequest(target: Target, request: Request, call: Call): Promise<Response> {
  if (target.token === undefined) {
    throw new CliError(`There is no token for ${target.api}.`, { exitCode: EXIT.auth, code: "unauthenticated", hint: "Sign in with «berth login», or set BERTH_TOKEN." });
  }
  const safe = request.method === "GET";
  for (let tried = 1; ; tried++) {
    try {
      const response = await fetchOnce(request, call);
      if (response.ok) return response;
      if (safe && tried < SAFE_TRIES && RETRY_STATUS.has(response.status)) {
        await response.body?.cancel();
        await sleep(retryDelayMs(response.headers.get("retry-after"), tried), undefined, signalOption(call));
        continue;
      }
      throw await responseError(response, target, call.doing);
    } catch (error) {
      if (error instanceof CliError || call.signal?.aborted) throw error;
      if (!safe || tried >= SAFE_TRIES) throw networkError(error, target, call.doing);
      await sleep(RETRY_DELAY_MS * tried, undefined, signalOption(call));
    }
  }
}

function signalOption(call: Call): { signal?: AbortSignal } {
  return call.signal === undefined ? {} : { signal: call.signal };
}

function retryDelayMs(header: string | null, tried: number): number {
  const seconds = Number(header);
  return header !== null && Number.isFinite(seconds) ? Math.min(seconds * 1000, RETRY_AFTER_MAX_MS) : RETRY_DELAY_MS * tried;
}

async function fetchOnce(request: Request, { signal, timeoutMs = REQUEST_TIMEOUT_MS }: Call): Promise<Response> {
  const signals = [...(signal === undefined ? [] : [signal]), ...(timeoutMs === 0 ? [] : [AbortSignal.timeout(timeoutMs)])];
  return await fetch(request, signals.length === 0 ? {} : { signal: AbortSignal.any(signals) });
}

export async function responseError(response: Response, target: Target, doing: string): Promise<CliError> {
  const problem = readProblem(await response.text().catch(() => ""));
  if (problem !== undefined) return problemError(problem);
  if (response.status === 401) return problemError({ code: "unauthenticated", detail: "The token is not accepted.", type: "", title: "", status: 401 });
  if (response.status >= 500) return new CliError(`${target.api} answered ${response.status} while ${doing}.`, { code: "internal", hint: "Try again in a moment; see the API's log if it stays." });
  return notBerth(target, response.status);
}

function readProblem(text: string): Problem | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  const problem = value as Partial<Problem> | null;
  return typeof problem === "object" && typeof problem?.code === "string" && typeof problem.detail === "string" ? (problem as Problem) : undefined;
}

export function notBerth(target: Target, status?: number): CliError {
  const what = status === undefined ? "did not answer as Berth's API does" : `answered ${status}, and not as Berth's API does`;
  return new CliError(`${target.api} ${what}.`, { code: "bad_response", hint: "Check the URL: BERTH_API, or «berth login --api URL»." });
}

const CERTIFICATE = /CERT|SELF_SIGNED|UNABLE_TO_VERIFY|ERR_TLS/;

/** Why nothing came back, and what to do. An error of the body's own (a file that cannot be read) is passed on. */
export function networkError(error: unknown, target: Target, doing: string): CliError {
  for (let cause: unknown = error; cause instanceof Error; cause = cause.cause) {
    if (cause instanceof CliError) return cause;
  }
  const codes = causeCodes(error);
  const has = (...wanted: string[]) => wanted.some((code) => codes.includes(code));
  const host = URL.parse(target.api)?.host ?? target.api;
  const elsewhere = "or point elsewhere with BERTH_API or «berth login --api URL»";
  const say = (message: string, hint: string) => new CliError(message, { code: "unreachable", hint, cause: error });
  if (has("ECONNREFUSED")) return say(`Nothing answers at ${target.api} (connection refused).`, `Start Berth there with «./infra/up», ${elsewhere}.`);
  if (has("ENOTFOUND", "EAI_AGAIN")) return say(`The host of ${target.api} is not known to DNS.`, `Check the name and your connection, ${elsewhere}.`);
  if (has("EHOSTUNREACH", "ENETUNREACH")) return say(`There is no way to ${host} from here.`, `Check your connection, ${elsewhere}.`);
  if (codes.some((code) => CERTIFICATE.test(code))) return say(`The certificate of ${host} is not accepted (${codes.join(", ")}).`, "Check the URL; for an own authority set NODE_EXTRA_CA_CERTS.");
  if (has("TimeoutError", "ETIMEDOUT", "UND_ERR_CONNECT_TIMEOUT", "UND_ERR_HEADERS_TIMEOUT", "UND_ERR_BODY_TIMEOUT")) {
    return say(`${target.api} did not answer in time while ${doing}.`, "It may be overloaded; try again in a moment.");
  }
  if (has("ECONNRESET", "EPIPE", "UND_ERR_SOCKET")) return say(`The connection to ${host} broke while ${doing}.`, "See «berth status» for what was done, then try again.");
  const last = codes.length === 0 ? "" : ` (${codes.join(", ")})`;
  return say(`${target.api} cannot be reached${last}: ${error instanceof Error ? error.message : String(error)}.`, `Check the URL, ${elsewhere}.`);
}

function causeCodes(error: unknown): string[] {
  const codes: string[] = [];
  const visit = (value: unknown, depth: number): void => {
    if (!(value instanceof Error) || depth > 8) return;
    const code = (value as NodeJS.ErrnoException).code;
    if (typeof code === "string") codes.push(code);
    if (value.name === "TimeoutError") codes.push("TimeoutError");
    if (value instanceof AggregateError) for (const inner of value.errors) visit(inner, depth + 1);
    visit(value.cause, depth + 1);
  };
  visit(error, 0);
  return codes;
}

/** Whether a stream that failed like this may be opened again. */
export function isTransient(error: unknown): boolean {
  if (!(error instanceof CliError)) return true;
  const code = error.details.code;
  return code === "unreachable" || code === "internal" || code === "rate_limited" || (code?.endsWith("_unavailable") ?? false);
}

/** A token as it can stand in a header, else a usage error. */
export function checkTokenText(text: string): string {
  const token = text.trim();
  if (!/^[\x21-\x7e]{8,512}$/.test(token)) throw usageError("That is not a token.", "A token looks like berth_… and has no spaces.");
  return token;
}
