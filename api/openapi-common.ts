/** What holds for many routes alike, and is said in the description of each. */

type Json = Record<string, unknown>;
interface Operation {
  parameters?: Json[];
  responses: Record<string, Json>;
}

const header = (name: string, description: string, maxLength: number) => ({ name, in: "header", required: false, description, schema: { type: "string", maxLength } });
const ONCE = header("Idempotency-Key", "A UUID. Sent again with the same key and body, the request is answered as the first time and done once. Kept for 24 hours.", 255);
const IF_MATCH = header("If-Match", "The `ETag` of what was read: the change is refused with 412 when somebody changed it since.", 1000);
const IF_NONE_MATCH = header("If-None-Match", "The `ETag` of what the client has: answered with 304 when it is still so.", 1000);
const TOO_MANY = {
  description: "Too many requests: wait as long as `Retry-After` says",
  content: { "application/problem+json": { schema: { $ref: "#/components/schemas/Problem" } } },
};

/** The paths of a description, with headers and answers that middleware brings. */
export function withCommonParts<T extends { paths?: object | undefined }>(document: T): T {
  const paths = Object.entries((document.paths ?? {}) as Record<string, Record<string, Operation>>).map(([path, methods]) => {
    if (!path.startsWith("/v1/")) return [path, methods];
    return [path, Object.fromEntries(Object.entries(methods).map(([method, operation]) => [method, complete(method, operation)]))];
  });
  return { ...document, paths: Object.fromEntries(paths) as object };
}

function complete(method: string, operation: Operation): Operation {
  const headers = [
    ...(method === "post" ? [ONCE] : []),
    ...("412" in operation.responses ? [IF_MATCH] : []),
    ...("304" in operation.responses ? [IF_NONE_MATCH] : []),
  ];
  const parameters = [...(operation.parameters ?? []), ...headers];
  return { ...operation, ...(parameters.length === 0 ? {} : { parameters }), responses: { ...operation.responses, 429: TOO_MANY } };
}
