import assert from "node:assert/strict";
import { test } from "node:test";
import { HTTPException } from "hono/http-exception";
import { z } from "zod";
import { BlobStoreUnavailable } from "../core/blob-store/blob-store.ts";
import { AppError, ERRORS, toProblem } from "../core/contract/errors.ts";
import { invalidInput, toAppError } from "./problems.ts";

const coded = (message: string, code: string, cause?: unknown) => Object.assign(new Error(message, { cause }), { code });
const named = (name: string, message: string) => Object.assign(new Error(message), { name });

test("each store that is away has its code, however deep the reason lies", () => {
  const cases: [unknown, string][] = [
    [coded("connect ECONNREFUSED 127.0.0.1:5432", "ECONNREFUSED"), "database_unavailable"],
    [new Error("Failed query: select 1", { cause: coded("terminating connection", "57P01") }), "database_unavailable"],
    [new Error("Failed query", { cause: new Error("timeout exceeded when trying to connect") }), "database_unavailable"],
    [new Error("Failed query", { cause: new Error("Connection terminated unexpectedly") }), "database_unavailable"],
    [new AggregateError([coded("connect ECONNREFUSED ::1:5432", "ECONNREFUSED")]), "database_unavailable"],
    [named("MaxRetriesPerRequestError", "Reached the max retries per request limit (which is 1)."), "queue_unavailable"],
    [new Error("Stream isn't writeable and enableOfflineQueue options is false"), "queue_unavailable"],
    [new Error("Connection is closed."), "queue_unavailable"],
    [named("ReplyError", "LOADING Redis is loading the dataset in memory"), "queue_unavailable"],
    [new BlobStoreUnavailable("put", coded("connect ECONNREFUSED", "ECONNREFUSED")), "storage_unavailable"],
  ];
  for (const [error, code] of cases) {
    const mapped = toAppError(error);
    assert.equal(mapped.code, code, String(error));
    assert.equal(mapped.status, 503);
    assert.equal(mapped.headers["retry-after"], "2");
  }
});

test("what nobody expected says nothing of its inside", () => {
  for (const error of [new TypeError("x is not a function"), coded("duplicate key", "23505"), "a string", undefined]) {
    const problem = toProblem(toAppError(error), { requestId: "req_1" });
    assert.equal(problem.code, "internal");
    assert.equal(problem.requestId, "req_1");
    assert.ok(!JSON.stringify(problem).includes("function") && !JSON.stringify(problem).includes("duplicate"));
  }
});

test("an AppError stays what it is; HTTP exceptions get a code", () => {
  const error = new AppError("name_taken", "taken");
  assert.equal(toAppError(error), error);
  assert.equal(toAppError(new HTTPException(400, { message: "Malformed JSON" })).code, "invalid_request");
  assert.equal(toAppError(new HTTPException(415)).code, "unsupported_media_type");
  assert.equal(toAppError(new HTTPException(413)).code, "payload_too_large");
});

test("a name, a setting and the rest have their codes, and every field is named", () => {
  const issues = (schema: z.ZodType, input: unknown) => schema.safeParse(input).error?.issues ?? [];
  const schema = z.object({ name: z.string().max(1, "a name has at most 1"), settings: z.object({ n: z.number() }), limit: z.number() });
  assert.equal(invalidInput("json", issues(schema, { name: "ab", settings: { n: 1 }, limit: 1 })).code, "invalid_name");
  const config = invalidInput("json", issues(schema, { name: "a", settings: { n: "1" }, limit: "1" }));
  assert.equal(config.code, "invalid_config");
  assert.deepEqual(config.fields?.map((field) => field.path), ["settings.n", "limit"]);
  assert.equal(invalidInput("query", issues(schema, { name: "ab", settings: { n: 1 }, limit: 1 })).code, "invalid_request");
});

test("every code has a client or server status and a title", () => {
  for (const [code, [status, title]] of Object.entries(ERRORS)) {
    assert.ok(status >= 400 && status < 600, code);
    assert.ok(title.length > 5, code);
  }
});
