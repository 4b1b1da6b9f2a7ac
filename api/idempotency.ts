/**
 * `Idempotency-Key`: a request that is sent again with the same key gets the answer of the first one, and is done once.
 * Source: https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/
 * An answer is kept when something was done. A request that was refused changed nothing, and may be sent again.
 */
import { createHash, randomUUID } from "node:crypto";
import type { Context } from "hono";
import { createMiddleware } from "hono/factory";
import { AppError } from "../core/contract/errors.ts";
import type { Tx } from "../core/db/client.ts";
import { dropKey, keepAnswer, KEY_LOCK_MS, renewKey, takeKey, type KeptAnswer, type KeyHold } from "../core/db/queries/idempotency.ts";
import type { Actor, ApiEnv, Deps } from "./deps.ts";
import { jsonLimit } from "./routes/responses.ts";

export const IDEMPOTENCY_HEADER = "idempotency-key";
/** Set on an answer that is the first request's. */
const REPLAYED_HEADER = "idempotency-replayed";
/** A UUID and more; visible characters alone. */
const KEY = /^[\x21-\x7e]{1,255}$/;
/** Headers that belong to what was done. */
const KEPT_HEADERS = ["content-type", "location", "etag"];
/** An upload: its body is no JSON, and is read by its own route. */
const STREAMED = /^\/v1\/apps\/[^/]+\/deployments$/;

type OnceDeps = Pick<Deps, "db" | "clock" | "log">;

/** A request that has its key. */
export interface Once extends KeyHold {
  request: { method: string; path: string };
  /** Digest of all that makes the request what it is; undefined until its body was read. */
  fingerprint?: string;
  isKept: boolean;
}

/** Digest of a request: method, path, and what its body says. */
export function fingerprintOf(request: { method: string; path: string }, ...body: (string | Uint8Array)[]): string {
  const hash = createHash("sha256").update(`${request.method} ${request.path}`);
  for (const part of body) hash.update("\n").update(part);
  return hash.digest("hex");
}

/** For all of `/v1`: every `POST` with a JSON body may carry a key. */
export function idempotent(deps: OnceDeps) {
  return createMiddleware<ApiEnv>(async (c, next) => {
    const key = c.req.header(IDEMPOTENCY_HEADER);
    if (key === undefined || c.req.method !== "POST" || STREAMED.test(c.req.path)) return next();
    // The body is read here rather than in the route: its limit holds here, too.
    await jsonLimit(c, async () => {});
    const fingerprint = fingerprintOf(c.req, new Uint8Array(await c.req.arrayBuffer()));
    return answerOnce(deps, c, key, async () => fingerprint, async (once) => {
      once.fingerprint = fingerprint;
      await next();
      // The mapper of errors has made an answer of what was thrown.
      return c.res;
    });
  });
}

/**
 * Does `work` once for the key. `fingerprint` is asked only when the key has an answer already: for an upload that
 * means to read it. @throws AppError idempotency_mismatch, idempotency_in_flight, invalid_request
 */
export async function answerOnce(
  deps: OnceDeps,
  c: Context<ApiEnv>,
  key: string,
  fingerprint: () => Promise<string>,
  work: (once: Once) => Promise<Response>,
): Promise<Response> {
  if (!KEY.test(key)) throw new AppError("invalid_request", "Idempotency-Key: 1 to 255 visible ASCII characters, best a UUID.");
  const actor = c.get("actor");
  const once: Once = { tenantId: actor.tenantId, key, holder: randomUUID(), request: { method: c.req.method, path: c.req.path }, isKept: false };
  const taken = await takeKey(deps.db, once, deps.clock());
  if (taken.kind === "inFlight") {
    throw new AppError("idempotency_in_flight", "The first request with this Idempotency-Key has not been answered yet.", { headers: { "retry-after": "1" } });
  }
  if (taken.kind === "answered") {
    if ((await fingerprint()) !== taken.fingerprint) throw new AppError("idempotency_mismatch", "This Idempotency-Key was used for a request with another path or body in the last 24 hours.");
    return new Response(taken.answer.body, { status: taken.answer.status, headers: { ...taken.answer.headers, [REPLAYED_HEADER]: "true" } });
  }
  c.set("actor", { ...actor, once });
  const beat = setInterval(() => void renewKey(deps.db, once, deps.clock()).catch(() => {}), KEY_LOCK_MS / 3);
  let isDone = false;
  try {
    const response = await work(once);
    if (!once.isKept && response.ok && response.headers.get("cache-control") !== "no-store") {
      once.fingerprint ??= await fingerprint();
      await keepAnswer(deps.db, once, once.fingerprint, await toKept(response.clone()));
      once.isKept = true;
    }
    isDone = response.ok && once.isKept;
    return response;
  } finally {
    clearInterval(beat);
    // An answer that is there, after all, stays.
    if (!isDone) await dropKey(deps.db, once).catch((error: unknown) => deps.log.warn({ err: error }, "a key waits until its lock runs out"));
  }
}

/**
 * For use-cases, in the transaction of the change: what the request will be answered with. Without a key it does
 * nothing. The route must answer just this.
 */
export async function keepInside(tx: Tx, actor: Actor, answer: { status: number; location?: string; body: unknown }): Promise<void> {
  const { once } = actor;
  if (once?.fingerprint === undefined) return;
  const headers = { "content-type": "application/json", ...(answer.location === undefined ? {} : { location: answer.location }) };
  await keepAnswer(tx, once, once.fingerprint, { status: answer.status, headers, body: JSON.stringify(answer.body) });
  once.isKept = true;
}

async function toKept(response: Response): Promise<KeptAnswer> {
  const headers = KEPT_HEADERS.flatMap((name) => (response.headers.has(name) ? [[name, response.headers.get(name) ?? ""] as const] : []));
  return { status: response.status, headers: Object.fromEntries(headers), body: await response.text() };
}
