/** What holds for many routes alike, and is said in the description of each. */

type Json = Record<string, unknown>;
interface Answer {
  description?: string;
  headers?: Json;
  content?: Json;
  $ref?: string;
}
interface Operation {
  tags?: string[];
  security?: Record<string, string[]>[];
  parameters?: (Json & { in?: string })[];
  requestBody?: Json;
  responses: Record<string, Answer>;
}
export interface Described {
  /** Of OpenAPI. */
  openapi: string;
  info: { title: string; version: string; description?: string };
  paths?: Record<string, Record<string, Operation>>;
  components?: { schemas?: Record<string, Json>; responses?: Record<string, Answer>; headers?: Json };
}

const parameter = (name: string, description: string, maxLength: number) => ({ name, in: "header", required: false, description, schema: { type: "string", maxLength } });
const ONCE = parameter("Idempotency-Key", "A UUID. Sent again with the same key and body, the request is answered as the first time and done once. Kept for 24 hours.", 255);
const IF_MATCH = parameter("If-Match", "The `ETag` of what was read: the change is refused with 412 when somebody changed it since.", 1000);
const IF_NONE_MATCH = parameter("If-None-Match", "The `ETag` of what the client has: answered with 304 when it is still so.", 1000);

const header = (description: string, type = "string") => ({ description, schema: { type } });
const HEADERS = {
  "X-Request-Id": header("Names the request in logs and errors: the client's own, or a new one."),
  RateLimit: header('What is left of each limit: `"token";r=299;t=60` (draft-ietf-httpapi-ratelimit-headers).'),
  "RateLimit-Policy": header('The limits that hold: `"token";q=300;w=60`.'),
  "Retry-After": header("Seconds to wait before the request is sent again.", "integer"),
  ETag: header("For `If-Match` and `If-None-Match`."),
  Location: header("Path of what was made."),
  "Idempotency-Replayed": header("`true`: this is the answer of the first request with this key."),
};
type HeaderName = keyof typeof HEADERS;

/** Tags group operations by the first word of their path, but for these. */
const TAG_OF: Record<string, string> = { whoami: "tenant", quota: "tenant", usage: "tenant", audit: "tenant" };
/** Problems by their status. What is not here has no place in a description. */
const PROBLEMS: Record<number, [name: string, description: string]> = {
  400: ["Invalid", "The request is not valid: `errors` names each field"],
  401: ["Unauthenticated", "The token is missing, wrong, revoked or expired"],
  403: ["Forbidden", "The token may not do this, the plan does not allow it, or the tenant is suspended"],
  404: ["NotFound", "There is no such thing, or it belongs to somebody else"],
  409: ["Conflict", "It conflicts with the present state"],
  412: ["Changed", "It was changed since it was read"],
  413: ["TooLarge", "The body is too large"],
  415: ["WrongType", "The content type is not accepted"],
  422: ["Unusable", "What was sent cannot be used: `errors` names each field"],
  429: ["TooMany", "Too many requests: wait as long as `Retry-After` says"],
  500: ["Broken", "Something broke on our side"],
  502: ["BadGateway", "What the API asked for this did not answer as it should"],
  503: ["Unavailable", "A store is away: wait as long as `Retry-After` says"],
  504: ["TooSlow", "What the API asked for this did not answer in time"],
};

/** The description with the headers, answers and tags that middleware brings, and with schemas as clients need them. */
export function withCommonParts(generated: object): Described {
  const document = generated as Described;
  const paths = Object.entries(document.paths ?? {}).map(([path, methods]) => {
    if (!path.startsWith("/v1/")) return [path, methods];
    return [path, Object.fromEntries(Object.entries(methods).map(([method, operation]) => [method, complete(path, method, operation)]))];
  });
  const whole = mendNullable({ ...document, paths: Object.fromEntries(paths) as Described["paths"] }) as Described;
  const schemas = requireDefaults(whole);
  return { ...whole, components: { ...whole.components, schemas, responses: usedAnswers(whole), headers: HEADERS } };
}

function complete(path: string, method: string, operation: Operation): Operation {
  const security = operation.security ?? [{ token: [] }];
  const responses = Object.fromEntries(
    [...Object.keys(operation.responses), ...brought(path, method, operation, security)].map((status) => [status, answer(method, Number(status), operation)]),
  );
  const parameters = [
    ...(operation.parameters ?? []),
    ...(method === "post" && isTenants(security) ? [ONCE] : []),
    ...("412" in responses ? [IF_MATCH] : []),
    ...("304" in responses ? [IF_NONE_MATCH] : []),
  ];
  const word = /^\/v1\/([a-z-]+)/.exec(path)?.[1] ?? "platform";
  return { ...operation, tags: operation.tags ?? [TAG_OF[word] ?? word], security, ...(parameters.length === 0 ? {} : { parameters }), responses };
}

/** Keys are kept per tenant. */
const isTenants = (security: Record<string, string[]>[]) => security.some((each) => "token" in each);

/** What every route of its kind may answer, whether or not it says so. */
function brought(path: string, method: string, operation: Operation, security: Record<string, string[]>[]): string[] {
  const isGuarded = security.some((each) => "operator" in each || Object.values(each).some((scopes) => scopes.length > 0));
  const takesInput = operation.requestBody !== undefined || (operation.parameters ?? []).some((each) => each.in === "query");
  return [
    ...(security.length === 0 ? [] : ["401"]),
    ...(takesInput || method === "post" ? ["400"] : []),
    ...(isGuarded ? ["403"] : []),
    ...(path.includes("{") ? ["404"] : []),
    // A key that is in use, or was used for something else.
    ...(method === "post" && isTenants(security) ? ["409", "422"] : []),
    ...(operation.requestBody === undefined ? [] : ["413"]),
    "429",
    "500",
    "503",
  ];
}

function answer(method: string, status: number, operation: Operation): Answer {
  const given = operation.responses[status] ?? {};
  const problem = PROBLEMS[status];
  if (problem !== undefined) return { $ref: `#/components/responses/${problem[0]}` };
  const isTagged = "304" in operation.responses;
  const named: HeaderName[] = [...(isTagged ? (["ETag"] as const) : []), ...(method === "post" && isTenants(operation.security ?? [{ token: [] }]) ? (["Idempotency-Replayed"] as const) : []), ...(status === 201 ? (["Location"] as const) : [])];
  return { ...given, headers: { ...headersOf("X-Request-Id", "RateLimit", "RateLimit-Policy", ...named), ...given.headers } };
}

const headersOf = (...names: HeaderName[]) => Object.fromEntries(names.map((name) => [name, { $ref: `#/components/headers/${name}` }]));

function usedAnswers(document: Described): Record<string, Answer> {
  const text = JSON.stringify(document.paths);
  return Object.fromEntries(Object.entries(problemAnswers()).filter(([name]) => text.includes(`"#/components/responses/${name}"`)));
}

function problemAnswers(): Record<string, Answer> {
  const content = { "application/problem+json": { schema: { $ref: "#/components/schemas/Problem" } } };
  return Object.fromEntries(
    Object.entries(PROBLEMS).map(([status, [name, description]]) => {
      const limits: HeaderName[] = status === "401" ? [] : ["RateLimit", "RateLimit-Policy"];
      const wait: HeaderName[] = status === "429" || status === "503" ? ["Retry-After"] : [];
      return [name, { description, headers: headersOf("X-Request-Id", ...limits, ...wait), content }];
    }),
  );
}

/** A named schema or null. As it is generated, `allOf` asks for both at once. */
function mendNullable(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(mendNullable);
  if (typeof value !== "object" || value === null) return value;
  const { allOf, ...rest } = value as Json & { allOf?: Json[] };
  if (allOf?.length === 2 && "$ref" in (allOf[0] ?? {}) && Array.isArray(allOf[1]?.["type"]) && allOf[1]["type"].includes("null")) {
    return { ...rest, anyOf: [allOf[0], { type: "null" }] };
  }
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, mendNullable(each)]));
}

/** In answers a field with a default is always there; in requests it may be left out. */
function requireDefaults(document: Described): Record<string, Json> {
  const schemas = document.components?.schemas ?? {};
  const operations = Object.values(document.paths ?? {}).flatMap((methods) => Object.values(methods));
  const asked = reachable(operations.map((operation) => operation.requestBody), schemas);
  const answered = reachable([operations.map((operation) => operation.responses), problemAnswers()], schemas);
  return Object.fromEntries(
    Object.entries(schemas).map(([name, schema]) => {
      const properties = Object.entries((schema["properties"] ?? {}) as Record<string, Json>);
      if (asked.has(name) || !answered.has(name) || properties.length === 0) return [name, schema];
      const known = (schema["required"] ?? []) as string[];
      const required = properties.flatMap(([field, { default: preset }]) => (known.includes(field) || preset !== undefined ? [field] : []));
      return [name, required.length === 0 ? schema : { ...schema, required }];
    }),
  );
}

/** Names of the schemas that something refers to, directly or not. */
function reachable(from: unknown, schemas: Record<string, Json>, found = new Set<string>()): Set<string> {
  for (const [, name = ""] of JSON.stringify(from ?? null).matchAll(/"#\/components\/schemas\/(\w+)"/g)) {
    if (found.has(name)) continue;
    found.add(name);
    reachable(schemas[name], schemas, found);
  }
  return found;
}
