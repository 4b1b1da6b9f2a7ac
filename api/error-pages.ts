/** `/errors` and `/errors/{code}`: what the `type` of a problem leads to. The advice is that of `docs/errors.md`. */
import { readFile } from "node:fs/promises";
import { Hono } from "hono";
import { html, raw } from "hono/html";
import { AppError, ERRORS, ErrorCodeSchema } from "../core/contract/errors.ts";
import type { ApiEnv } from "./deps.ts";
import { DOCS_HEADERS } from "./docs-page.ts";

const MANUAL = new URL("../docs/errors.md", import.meta.url);
const ROW = /^\| `(\w+)` \| \d+ \| .+? \| (.+) \|$/gm;

type Html = ReturnType<typeof html>;

export function createErrorPages(): Hono<ApiEnv> {
  const app = new Hono<ApiEnv>();
  let read: Promise<ReadonlyMap<string, string>> | undefined;
  const advice = () => (read ??= readFile(MANUAL, "utf8").then((text) => new Map([...text.matchAll(ROW)].map(([, code = "", words = ""]) => [code, words]))));
  app.get("/errors", async (c) => {
    const known = await advice();
    const rows = Object.entries(ERRORS).map(([code, [status, title]]) => html`<tr><td><a href="/errors/${code}"><code>${code}</code></a></td><td>${status}</td><td>${title}</td><td>${marked(known.get(code) ?? "")}</td></tr>`);
    return c.html(page("Errors", html`<h1>Errors</h1><table><tr><th>code</th><th>status</th><th>title</th><th>what to do</th></tr>${rows}</table>`), 200, DOCS_HEADERS);
  });
  app.get("/errors/:code", async (c) => {
    const code = ErrorCodeSchema.safeParse(c.req.param("code")).data;
    if (code === undefined) throw new AppError("not_found", "There is no such error code; /errors lists all.");
    const [status, title] = ERRORS[code];
    const words = (await advice()).get(code) ?? "";
    return c.html(page(code, html`<p><a href="/errors">Errors</a></p><h1>${title}</h1><p><code>${code}</code>, status ${status}</p><p>${marked(words)}</p>`), 200, DOCS_HEADERS);
  });
  return app;
}

/** Markdown's backticks as code; nothing else of it is in the advice. */
function marked(words: string): Html {
  return html`${words.split("`").map((part, index) => (index % 2 === 1 ? html`<code>${part}</code>` : html`${part}`))}`;
}

function page(title: string, content: Html): Html {
  return html`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${title} · Berth</title><style>${raw(STYLE)}</style></head>
<body>${content}</body></html>`;
}

const STYLE = `
:root { color-scheme: light dark; font: 15px/1.5 system-ui, sans-serif; }
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
code { font-family: ui-monospace, monospace; font-size: .92em; }
table { border-collapse: collapse; } td, th { text-align: left; vertical-align: top; padding: .15rem .8rem .15rem 0; }
`;
