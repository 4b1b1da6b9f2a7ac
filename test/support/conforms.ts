/** Whether an answer is as the API's description says: a part of JSON Schema, as much as the description uses. */

interface Schema {
  $ref?: string;
  type?: string | string[];
  enum?: unknown[];
  const?: unknown;
  required?: string[];
  properties?: Record<string, Schema>;
  additionalProperties?: Schema | boolean;
  items?: Schema;
  anyOf?: Schema[];
  oneOf?: Schema[];
  allOf?: Schema[];
  pattern?: string;
}
export interface Document {
  paths: Record<string, Record<string, { responses: Record<string, Answer> }>>;
  components: { schemas: Record<string, Schema>; responses: Record<string, Answer> };
}
interface Answer {
  $ref?: string;
  content?: Record<string, { schema?: Schema }>;
}

/** What of an answer the description does not say; empty when all is as described. */
export function undescribed(document: Document, path: string, method: string, response: { status: number; contentType: string | null; text: string }): string[] {
  const { responses } = document.paths[path]?.[method.toLowerCase()] ?? { responses: {} };
  const given = responses[response.status];
  if (given === undefined) return [`status ${response.status}`];
  const answer = document.components.responses[given.$ref?.split("/").at(-1) ?? ""] ?? given;
  const type = (response.contentType ?? "").split(";")[0] ?? "";
  if (answer.content === undefined) return response.text === "" ? [] : [`a body with ${response.status}`];
  const content = answer.content[type];
  if (content === undefined) return [`${type || "no body"} with ${response.status}`];
  if (!type.endsWith("json") || type.endsWith("ndjson") || content.schema === undefined) return [];
  return differences(document, content.schema, JSON.parse(response.text), "");
}

function differences(document: Document, schema: Schema, value: unknown, at: string): string[] {
  if (schema.$ref !== undefined) return differences(document, document.components.schemas[schema.$ref.split("/").at(-1) ?? ""] ?? {}, value, at);
  const choices = schema.anyOf ?? schema.oneOf;
  if (choices !== undefined) return choices.some((each) => differences(document, each, value, at).length === 0) ? [] : [`${at} is none of its choices: ${JSON.stringify(value)}`];
  if (schema.allOf !== undefined) return schema.allOf.flatMap((each) => differences(document, each, value, at));
  if (schema.type !== undefined && ![schema.type].flat().some((type) => isOf(type, value))) return [`${at} is ${JSON.stringify(value)} and not ${String(schema.type)}`];
  if (schema.enum !== undefined && !schema.enum.includes(value)) return [`${at} is ${JSON.stringify(value)}`];
  if (schema.const !== undefined && schema.const !== value) return [`${at} is ${JSON.stringify(value)}`];
  if (typeof value === "string" && schema.pattern !== undefined && !new RegExp(schema.pattern).test(value)) return [`${at} is «${value}»`];
  if (Array.isArray(value)) return value.flatMap((each, index) => differences(document, schema.items ?? {}, each, `${at}[${index}]`));
  if (typeof value !== "object" || value === null) return [];
  const missing = (schema.required ?? []).filter((name) => !Object.hasOwn(value, name)).map((name) => `${at}.${name} is missing`);
  const fields = Object.entries(value).flatMap(([name, each]) => {
    const field = schema.properties?.[name] ?? (typeof schema.additionalProperties === "object" ? schema.additionalProperties : undefined);
    if (field !== undefined) return differences(document, field, each, `${at}.${name}`);
    return schema.properties === undefined ? [] : [`${at}.${name} is not described`];
  });
  return [...missing, ...fields];
}

function isOf(type: string, value: unknown): boolean {
  if (type === "null") return value === null;
  if (type === "array") return Array.isArray(value);
  if (type === "integer") return Number.isInteger(value);
  if (type === "object") return typeof value === "object" && value !== null && !Array.isArray(value);
  return typeof value === type;
}
