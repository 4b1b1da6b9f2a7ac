/** The one place where what was thrown becomes problem JSON (RFC 9457). */
import type { Context } from "hono";
import { HTTPException } from "hono/http-exception";
import { z } from "zod";
import { BlobStoreUnavailable } from "../core/blob-store/blob-store.ts";
import { AppError, toProblem, type ErrorCode } from "../core/contract/errors.ts";
import { isDatabaseUnavailable } from "../core/db/unavailable.ts";
import { isRedisUnavailable } from "../core/redis.ts";
import type { ApiConfig } from "./deps.ts";

const RETRY_SECONDS = "2";

/** Any error as one with a code; what nobody expected is `internal`. */
export function toAppError(error: unknown): AppError {
  if (error instanceof AppError) return error;
  if (error instanceof z.ZodError) return invalid("invalid_request", error.issues);
  if (error instanceof HTTPException) return fromHttpException(error);
  if (error instanceof BlobStoreUnavailable) return away("storage_unavailable", "The blob store does not answer.", error);
  if (isRedisUnavailable(error)) return away("queue_unavailable", "Redis does not answer.", error);
  if (isDatabaseUnavailable(error)) return away("database_unavailable", "PostgreSQL does not answer.", error);
  return new AppError("internal", "Please tell the operator the request's id.", { cause: error });
}

function away(code: ErrorCode, what: string, cause: unknown): AppError {
  return new AppError(code, `${what} Nothing was changed; try again in a moment.`, { cause, headers: { "retry-after": RETRY_SECONDS } });
}

function fromHttpException(error: HTTPException): AppError {
  const codes: Record<number, ErrorCode> = { 401: "unauthenticated", 403: "forbidden", 404: "not_found", 413: "payload_too_large", 415: "unsupported_media_type" };
  const code = codes[error.status] ?? (error.status < 500 ? "invalid_request" : "internal");
  return new AppError(code, error.message || "The request could not be read.", { cause: error });
}

export type Issues = readonly { path: readonly PropertyKey[]; message: string }[];

/** What zod found, as an error that names every field. The detail is the first finding. */
export function invalid(code: ErrorCode, issues: Issues): AppError {
  const fields = issues.map((issue) => ({ path: issue.path.map(String).join("."), message: issue.message }));
  const first = fields[0];
  const detail = first === undefined ? "The input is not valid." : first.path === "" ? first.message : `${first.path}: ${first.message}`;
  return new AppError(code, detail, { fields });
}

/** Which code a body, query or path that zod refused gets: names and settings have their own. */
export function invalidInput(target: string, issues: Issues): AppError {
  const root = issues[0]?.path[0];
  if (target === "json" && root === "name") {
    const error = invalid("invalid_name", issues);
    return new AppError("invalid_name", issues[0]?.message ?? error.message, { fields: error.fields });
  }
  if (target === "json" && (root === "settings" || root === "env" || root === "labels")) return invalid("invalid_config", issues);
  return invalid("invalid_request", issues);
}

/** Answers an error, with the request's id and a `type` that leads to the page about its code. */
export function problemResponse(c: Context, error: AppError, { publicUrl }: Pick<ApiConfig, "publicUrl">): Response {
  const requestId = c.get("requestId") as string | undefined;
  return c.body(JSON.stringify(toProblem(error, { requestId, publicUrl })), error.status as 400, {
    "content-type": "application/problem+json",
    // What is left of the body is not read: the client must not send its next request behind it.
    ...(error.status === 413 ? { connection: "close" } : {}),
    ...error.headers,
  });
}
