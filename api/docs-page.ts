/** `/docs`: the description of the API as one page to read. It needs no script, and nothing from elsewhere. */
import { html, raw } from "hono/html";
import { ERRORS } from "../core/contract/errors.ts";

interface Schema {
  $ref?: string;
  type?: string | string[];
  properties?: Record<string, Schema>;
  required?: string[];
  items?: Schema;
  enum?: unknown[];
  const?: unknown;
  anyOf?: Schema[];
  oneOf?: Schema[];
  allOf?: Schema[];
  additionalProperties?: Schema | boolean;
  description?: string;
  default?: unknown;
  format?: string;
  pattern?: string;
  minimum?: number;
  maximum?: number;
}
type Content = Record<string, { schema?: Schema }>;
interface Answer {
  $ref?: string;
  description?: string;
  content?: Content;
}
interface Operation {
  operationId?: string;
  tags?: string[];
  summary?: string;
  description?: string;
  security?: Record<string, string[]>[];
  parameters?: { name: string; in: string; required?: boolean; description?: string; schema?: Schema }[];
  requestBody?: { content?: Content };
  responses?: Record<string, Answer>;
}
export interface ApiDocument {
  info: { title: string; version: string; description?: string };
  paths?: Record<string, Record<string, Operation>>;
  components?: { schemas?: Record<string, Schema>; responses?: Record<string, Answer> };
}

type Html = ReturnType<typeof html>;

/** What the page may load: its own style. */
export const DOCS_HEADERS = {
  "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  "cache-control": "public, max-age=300",
};

export function docsPage(document: ApiDocument): Html {
  const groups = Object.entries(Object.groupBy(operationsOf(document), ({ group }) => group));
  const schemas = Object.entries(document.components?.schemas ?? {}).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return html`<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${document.info.title} API</title><style>${raw(STYLE)}</style></head>
<body>
<nav>
<a href="#top"><b>${document.info.title} API</b></a>
${groups.map(([group, operations]) => html`<h4>${group}</h4>${(operations ?? []).map((operation) => html`<a href="#${operation.anchor}"><i>${operation.method}</i> ${operation.path}</a>`)}`)}
<h4>Reference</h4><a href="#schemas">Schemas</a><a href="#errors">Errors</a><a href="/openapi.json">openapi.json</a>
</nav>
<main id="top">
<h1>${document.info.title} API</h1>
<p>${document.info.description ?? ""} Every request has the header <code>Authorization: Bearer berth_…</code>. Errors are problem JSON (RFC 9457) with a stable <code>code</code>. Lists are paginated: pass <code>nextCursor</code> as <code>cursor</code> until it is null.</p>
${groups.map(([group, operations]) => html`<h2>${group}</h2>${(operations ?? []).map(showOperation)}`)}
<h2 id="schemas">Schemas</h2>
${schemas.map(([name, schema]) => html`<section id="schema-${name}"><h3>${name}</h3>${schema.description ? html`<p>${schema.description}</p>` : ""}${showSchema(schema, 0)}</section>`)}
<h2 id="errors">Errors</h2>
<table><tr><th>code</th><th>status</th><th>title</th></tr>${Object.entries(ERRORS).map(([code, [status, title]]) => html`<tr id="error-${code}"><td><a href="/errors/${code}"><code>${code}</code></a></td><td>${status}</td><td>${title}</td></tr>`)}</table>
</main></body></html>`;
}

interface Listed extends Operation {
  group: string;
  method: string;
  path: string;
  anchor: string;
}

/** In the order of their routes, grouped by their tag. */
function operationsOf(document: ApiDocument): Listed[] {
  return Object.entries(document.paths ?? {}).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({
      ...operation,
      responses: Object.fromEntries(Object.entries(operation.responses ?? {}).map(([status, answer]) => [status, resolved(answer, document)])),
      group: operation.tags?.[0] ?? "platform",
      method: method.toUpperCase(),
      path,
      anchor: `${method}${path.replace(/[^A-Za-z0-9]+/g, "-")}`,
    })),
  );
}

function resolved(answer: Answer, document: ApiDocument): Answer {
  return document.components?.responses?.[/^#\/components\/responses\/(\w+)$/.exec(answer.$ref ?? "")?.[1] ?? ""] ?? answer;
}

function showOperation(operation: Listed): Html {
  const scopes = (operation.security ?? []).flatMap((each) => Object.values(each).flat());
  return html`<section id="${operation.anchor}">
<h3><i>${operation.method}</i> <code>${operation.path}</code></h3>
<p>${operation.summary ?? ""}${operation.description ? html`<br>${operation.description}` : ""}${scopes.length > 0 ? html`<br>Scope: ${scopes.map((scope) => html`<code>${scope}</code> `)}` : ""}${operation.operationId === undefined ? "" : html`<br><small>${operation.operationId}</small>`}</p>
${(operation.parameters ?? []).length > 0 ? html`<h4>Parameters</h4><ul>${operation.parameters?.map((parameter) => html`<li><code>${parameter.name}</code> <small>${parameter.in}${parameter.required === true ? ", required" : ""}, ${typeOf(parameter.schema ?? {})}</small> ${parameter.description ?? ""}</li>`)}</ul>` : ""}
${operation.requestBody ? html`<h4>Body</h4>${showContent(operation.requestBody.content)}` : ""}
<h4>Answers</h4>
<ul>${Object.entries(operation.responses ?? {}).map(([status, answer]) => html`<li><b>${status}</b> ${answer.description ?? ""}${Number(status) < 300 ? showContent(answer.content) : ""}</li>`)}</ul>
</section>`;
}

function showContent(content: Content | undefined): Html {
  return html`${Object.entries(content ?? {}).map(([type, { schema }]) => html`<div><small>${type}</small> ${schema === undefined ? "" : showSchema(schema, 0)}</div>`)}`;
}

/** Deep enough for every body; a schema with a name is linked rather than repeated. */
const MAX_DEPTH = 6;

function showSchema(schema: Schema, depth: number): Html {
  const shape = schema.type === "array" && schema.items !== undefined ? schema.items : schema;
  const fields = Object.entries(shape.properties ?? {});
  if (fields.length === 0 || depth >= MAX_DEPTH) return html`${showType(schema)}`;
  return html`${schema === shape ? "" : html`<small>list of</small>`}<ul>${fields.map(
    ([name, field]) =>
      html`<li><code>${name}</code> ${showType(field)}${shape.required?.includes(name) === true ? "" : html` <small>optional</small>`}${field.default === undefined ? "" : html` <small>default <code>${JSON.stringify(field.default)}</code></small>`} ${field.description ?? ""}${hasFields(field) ? showSchema(field, depth + 1) : ""}</li>`,
  )}</ul>`;
}

const hasFields = (schema: Schema): boolean => schema.$ref === undefined && (schema.properties !== undefined || (schema.items !== undefined && schema.items.properties !== undefined));

function showType(schema: Schema): Html {
  const name = /^#\/components\/schemas\/(\w+)$/.exec(schema.$ref ?? schema.items?.$ref ?? "")?.[1];
  if (name !== undefined) return html`<small>${schema.items === undefined ? "" : "list of "}<a href="#schema-${name}">${name}</a></small>`;
  return html`<small>${typeOf(schema)}</small>`;
}

function typeOf(schema: Schema): string {
  if (schema.$ref !== undefined) return schema.$ref.split("/").at(-1) ?? "";
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.enum !== undefined) return schema.enum.map((value) => JSON.stringify(value)).join(" | ");
  const choices = schema.anyOf ?? schema.oneOf ?? schema.allOf;
  if (choices !== undefined) return choices.map(typeOf).join(schema.allOf === undefined ? " | " : " & ");
  if (schema.type === "array") return `list of ${typeOf(schema.items ?? {})}`;
  if (typeof schema.additionalProperties === "object") return `map of ${typeOf(schema.additionalProperties)}`;
  const bounds = [schema.minimum, schema.maximum].some((bound) => bound !== undefined) ? ` ${schema.minimum ?? ""}…${schema.maximum ?? ""}` : "";
  return `${[schema.type ?? "any"].flat().join(" | ")}${schema.format === undefined ? "" : ` (${schema.format})`}${bounds}`;
}

const STYLE = `
:root { color-scheme: light dark; font: 15px/1.5 system-ui, sans-serif; }
body { margin: 0; display: grid; grid-template-columns: 19rem minmax(0, 1fr); }
nav { position: sticky; top: 0; height: 100vh; overflow: auto; box-sizing: border-box; padding: 1rem; border-right: 1px solid #8884; font-size: 13px; }
nav a { display: block; color: inherit; text-decoration: none; overflow-wrap: anywhere; }
nav a:hover { text-decoration: underline; }
nav h4 { margin: 1rem 0 .2rem; }
main { padding: 1rem 2rem 4rem; max-width: 60rem; }
section { border-top: 1px solid #8884; padding: .5rem 0; }
i { font-style: normal; font-weight: 600; font-size: .8em; }
code { font-family: ui-monospace, monospace; font-size: .92em; }
small { opacity: .75; }
ul { margin: .2rem 0; padding-left: 1.2rem; }
table { border-collapse: collapse; } td, th { text-align: left; padding: .15rem .8rem .15rem 0; }
@media (max-width: 50rem) { body { display: block; } nav { position: static; height: auto; } }
`;
