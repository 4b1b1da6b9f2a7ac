import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { ERRORS } from "../core/contract/errors.ts";
import { SCOPES } from "../core/domain/access.ts";
import { createApp, describe } from "./app.ts";
import type { Deps } from "./deps.ts";
import type { Described } from "./openapi-common.ts";
import { openApiText } from "./openapi-text.ts";

type Json = Record<string, any>;

const nothing = new Proxy({}, { get: () => nothing, has: () => true }) as unknown;
const app = createApp(nothing as Deps);
const document = describe(app) as Described & { components: { schemas: Record<string, Json>; responses: Record<string, Json> } };
const operations = Object.entries(document.paths ?? {}).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => {
    const responses = Object.fromEntries(Object.entries(operation.responses).map(([status, answer]) => [status, document.components.responses[answer.$ref?.split("/").at(-1) ?? ""] ?? answer]));
    return { name: `${method.toUpperCase()} ${path}`, path, method, operation: { ...operation, responses } as Json };
  }),
);

/** Lists that are whole by their nature: one row for each limit. */
const WHOLE_LISTS = ["QuotaList"];
/** Operations that need no token, and whom a token without any scope may ask. */
const PUBLIC: string[] = ["exchangeToken", "createCliToken"];
const UNSCOPED = ["whoami", "createNodeToken", "storeSnapshot"];
/** Things that have labels: their lists can be asked by them. */
const LABELLED = ["App"];

/** The operations for which a rule does not hold. */
const broken = (holds: (each: (typeof operations)[number]) => boolean) => operations.filter((each) => !holds(each)).map(({ name }) => name);
const schemaOf = (answer: Json | undefined, type = "application/json"): Json | undefined => answer?.["content"]?.[type]?.schema;
const isPublic = (operation: Json) => PUBLIC.includes(operation["operationId"]);
/** Keys are kept per tenant. */
const isOfTenants = (operation: Json) => operation["security"].some((each: Json) => "token" in each);
const named = (schema: Json | undefined) => /^#\/components\/schemas\/(\w+)$/.exec(schema?.["$ref"] ?? "")?.[1];
const successes = ({ operation }: { operation: Json }) => Object.entries(operation["responses"] as Json).filter(([status]) => status < "300");
const has = (operation: Json, where: string, name: string) => (operation["parameters"] ?? []).some((each: Json) => each["in"] === where && each["name"] === name);
/** The schema of an answer's list: an object with `items`. */
const lists = operations.flatMap((each) => successes(each).flatMap(([, answer]) => {
  const name = named(schemaOf(answer));
  const schema = name === undefined ? undefined : document.components.schemas[name];
  return schema?.["properties"]?.items?.type === "array" ? [{ ...each, schemaName: name ?? "", schema }] : [];
}));

test("api/openapi.json is what the routes say", async () => {
  const committed = await readFile(new URL("openapi.json", import.meta.url), "utf8");
  assert.ok(committed === openApiText(), "it drifted: run «npm run openapi» and commit the file");
});

test("every route of /v1 is described, and nothing else", () => {
  const served = app.routes.filter(({ method, path }) => method !== "ALL" && path.startsWith("/v1/")).map(({ method, path }) => `${method} ${path.replaceAll(/:(\w+)/g, "{$1}")}`);
  assert.ok(served.length > 25);
  assert.deepEqual([...new Set(served)].toSorted(), operations.map(({ name }) => name).toSorted());
});

test("every operation has an id of its own, a summary, a tag and a scope that exists", () => {
  assert.deepEqual(broken(({ operation }) => /^[a-z][A-Za-z]+$/.test(operation["operationId"] ?? "")), [], "give each createRoute an operationId: verb and noun");
  const ids = operations.map(({ operation }) => operation["operationId"]);
  assert.deepEqual(ids.filter((id, at) => ids.indexOf(id) !== at), [], "operationIds are unique");
  assert.deepEqual(broken(({ operation }) => /^[A-Z].{8,}[^.]$/.test(operation["summary"] ?? "")), [], "a summary is one sentence without a full stop");
  assert.deepEqual(broken(({ operation }) => operation["tags"]?.length === 1), []);
  const isScoped = (operation: Json) => {
    const [{ token, operator, session } = {}] = operation["security"] as Record<string, string[]>[];
    return operator !== undefined || session !== undefined || (token?.length === 1 && SCOPES.includes(token[0] as never));
  };
  assert.deepEqual(broken(({ operation }) => [...PUBLIC, ...UNSCOPED].includes(operation["operationId"]) || isScoped(operation)), [], "…needs(scope) in each createRoute; or name it in PUBLIC or UNSCOPED");
  assert.deepEqual(broken(({ operation }) => (operation["security"].length === 0) === PUBLIC.includes(operation["operationId"])), []);
});

test("every operation says which problems it answers, with their headers", () => {
  const problem = (operation: Json, status: number) => named(schemaOf(operation["responses"][status], "application/problem+json")) === "Problem";
  assert.deepEqual(broken(({ operation }) => [...(isPublic(operation) ? [] : [401]), 429, 500, 503].every((status) => problem(operation, status))), []);
  assert.deepEqual(broken(({ operation }) => isPublic(operation) || UNSCOPED.includes(operation["operationId"]) || problem(operation, 403)), []);
  assert.deepEqual(broken(({ path, operation }) => !path.includes("{") || problem(operation, 404)), []);
  assert.deepEqual(broken(({ operation }) => operation["requestBody"] === undefined || (problem(operation, 400) && problem(operation, 413))), []);
  assert.deepEqual(broken(({ operation }) => Object.entries(operation["responses"] as Json).every(([status, answer]) => status < "400" || (problem(operation, Number(status)) && answer.headers["X-Request-Id"]))), []);
  assert.deepEqual(broken(({ operation }) => Object.values(operation["responses"] as Json).every((answer: Json) => answer["headers"]["X-Request-Id"])), []);
  assert.deepEqual(broken(({ operation }) => [429, 503].every((status) => operation["responses"][status].headers["Retry-After"])), []);
  assert.deepEqual(broken((each) => successes(each).every(([, answer]) => answer.headers["RateLimit"] && answer.headers["RateLimit-Policy"])), []);
  assert.deepEqual(document.components.schemas["ErrorCode"]?.["enum"], Object.keys(ERRORS));
});

test("every body and every answer in JSON is a schema with a name", () => {
  const json = (content: Json | undefined) => Object.entries(content ?? {}).filter(([type]) => type.endsWith("json")).map(([, { schema }]) => schema as Json);
  assert.deepEqual(broken(({ operation }) => json(operation["requestBody"]?.content).every((schema) => named(schema) !== undefined)), [], "name its zod schema: .meta({ id: … }), after .strict()");
  assert.deepEqual(broken((each) => successes(each).every(([status, answer]) => status === "101" || status === "204" || (answer.content !== undefined && json(answer.content).every((schema) => named(schema) !== undefined)))), [], "name its zod schema: .meta({ id: … })");
});

test("what has a name is never null by itself", () => {
  assert.deepEqual(Object.entries(document.components.schemas).flatMap(([name, { type }]) => ([type].flat().includes("null") ? [name] : [])), [], "orNull(…) and not .nullable() where it may be null");
});

test("bodies take no unknown fields", () => {
  const seen = new Set<string>();
  const open: string[] = [];
  const visit = (schema: Json | undefined, at: string): void => {
    const name = named(schema);
    if (name !== undefined) {
      if (seen.has(name)) return;
      seen.add(name);
      return visit(document.components.schemas[name], name);
    }
    if (schema?.["properties"] !== undefined && schema["additionalProperties"] !== false) open.push(at);
    for (const [field, each] of Object.entries(schema?.["properties"] ?? {})) visit(each as Json, `${at}.${field}`);
    for (const each of [...(schema?.["anyOf"] ?? []), ...(schema?.["oneOf"] ?? []), ...(schema?.["allOf"] ?? []), ...(schema?.["items"] === undefined ? [] : [schema["items"]])]) visit(each, at);
  };
  for (const { name, operation } of operations) visit(schemaOf(operation["requestBody"]), name);
  assert.ok(seen.size > 5);
  assert.deepEqual(open, [], ".strict() on its zod schema");
});

test("every list is a page: `limit`, `cursor` and `nextCursor`; by labels where its things have some", () => {
  assert.ok(lists.length >= 6);
  const paged = lists.filter(({ schemaName }) => !WHOLE_LISTS.includes(schemaName));
  const wrong = paged.filter(({ operation, schema }) => !has(operation, "query", "limit") || !has(operation, "query", "cursor") || schema?.["properties"].nextCursor === undefined);
  assert.deepEqual(wrong.map(({ name }) => name), [], "query: PageQuery and pageOf(…)");
  assert.deepEqual(paged.filter(({ operation }) => !operation["operationId"].startsWith("list")).map(({ name }) => name), [], "lists are called list…");
  const unlabelled = paged.filter(({ schema, operation }) => LABELLED.includes(named(schema?.["properties"].items.items) ?? "") && !has(operation, "query", "label"));
  assert.deepEqual(unlabelled.map(({ name }) => name), []);
  const forgotten = Object.entries(document.components.schemas).filter(([name, schema]) => schema["properties"]?.labels !== undefined && schema["properties"]?.id !== undefined && !LABELLED.includes(name));
  assert.deepEqual(forgotten.map(([name]) => name), [], "it has labels: add it to LABELLED, and `label: LabelQuery` to its list");
});

test("POST takes an Idempotency-Key; what two people can edit has an ETag, and its change takes If-Match", () => {
  assert.deepEqual(broken(({ method, operation }) => (method === "post" && isOfTenants(operation)) === has(operation, "header", "Idempotency-Key")), []);
  assert.deepEqual(broken(({ method, operation }) => method !== "patch" || (has(operation, "header", "If-Match") && operation["responses"][412] !== undefined)), [], "readIfMatch(c) and problems(412) in each PATCH");
  const read = (path: string) => operations.find((each) => each.path === path && each.method === "get")?.operation;
  assert.deepEqual(
    broken(({ method, path }) => method !== "patch" || (has(read(path) ?? {}, "header", "If-None-Match") && read(path)?.["responses"][200].headers.ETag !== undefined)),
    [],
    "what is patched is read with its ETag: answerTagged and 304: NOT_MODIFIED in its GET",
  );
});
