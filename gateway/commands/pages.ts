/** What the gateway answers by itself: small HTML pages, and the same as RFC 9457 problems for clients that ask for JSON. */
import { ERRORS, errorType, type ErrorCode } from "../../core/contract/errors.ts";

export interface Page {
  /** Base name of its files in the data directory. */
  name: string;
  status: number;
  title: string;
  detail: string;
  code: ErrorCode;
  retryAfterS?: number;
  /** An app may have its own in place of it. */
  isApps?: true;
}

function page(name: string, code: ErrorCode, detail: string, retryAfterS?: number): Page {
  const [status, title] = ERRORS[code];
  return { name, code, status, title, detail, ...(retryAfterS === undefined ? {} : { retryAfterS }) };
}

/** Answers that the configuration chooses, with HTML and JSON forms. */
export const PAGES = {
  unknownHost: page("unknown-host", "unknown_host", "Nothing is deployed under this name. Check the address, or deploy an app with this name."),
  wakeTimeout: page("wake-timeout", "wake_timeout", "The app has no running instance yet. Try again in a moment; «berth status» tells its owner why.", 5),
  notAllowed: page("not-allowed", "address_not_allowed", "This app answers to some addresses alone, and yours is none of them."),
  password: page("password", "password_required", "This app asks for a user's name and a password."),
  maintenance: page("maintenance", "under_maintenance", "The app is being worked on. Try again later.", 300),
  rateLimited: page("rate-limited", "rate_limited", "So many requests are more than this app takes from one client, or altogether. Try again later.", 1),
  tooMany: page("too-many", "rate_limited", "This app has as many requests waiting as the gateway holds for one app.", 5),
} satisfies Record<string, Page>;

/** Answers that HAProxy gives when something fails on the way; it has one form for each. */
export const FAILURES: readonly Page[] = [
  { name: "400", status: 400, code: "invalid_request", title: "The request is not valid", detail: "It does not follow HTTP/1.1, or its headers are too large." },
  { name: "405", status: 405, code: "method_not_allowed", title: "This method is not offered here", detail: "The gateway does not pass CONNECT and TRACE on." },
  { name: "408", status: 408, code: "invalid_request", title: "The request came too slowly", detail: "Its headers did not arrive in time." },
  { name: "500", status: 500, code: "internal", title: "Something broke on our side", detail: "The gateway could not handle the request." },
  { name: "502", isApps: true, status: 502, code: "app_exited", title: "The app broke off its answer", detail: "It closed the connection, or what it sent is not HTTP." },
  { name: "503", isApps: true, status: 503, code: "app_unhealthy", title: "The app does not take requests now", detail: "Its instances are away, or all were busy for too long.", retryAfterS: 1 },
  { name: "504", isApps: true, status: 504, code: "app_unhealthy", title: "The app took too long", detail: "It did not answer within the request timeout of its settings." },
];

export function toHtml({ status, title, detail, code }: Page): string {
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${status} · ${title}</title>
<style>body{font:16px/1.5 system-ui,sans-serif;max-width:34em;margin:18vh auto;padding:0 1.5em;color:#1b2733}
h1{font-size:1.4em;margin:0 0 .4em}p{margin:.4em 0}small{color:#6b7a89}code{font:.9em ui-monospace,monospace}
@media(prefers-color-scheme:dark){body{background:#12181e;color:#dfe7ee}}</style></head>
<body><h1>${title}</h1><p>${detail}</p><p><small>${status} · <code>${code}</code> · Berth</small></p></body></html>
`;
}

/** `publicUrl` is the API's, which has a page for each code. */
export function toProblemText({ status, title, detail, code }: Page, publicUrl: URL): string {
  return JSON.stringify({ type: errorType(code, publicUrl), title, status, code, detail });
}

/** A whole HTTP response, as HAProxy's `errorfile` wants it. */
export function toErrorFile(it: Page): string {
  const head = [
    `HTTP/1.1 ${it.status} ${it.title}`,
    "content-type: text/html; charset=utf-8",
    "cache-control: no-store",
    ...(it.retryAfterS === undefined ? [] : [`retry-after: ${it.retryAfterS}`]),
    "connection: close",
  ];
  return `${head.join("\r\n")}\r\n\r\n${toHtml(it)}`;
}

/** All as one table by name, for `lua/answers.lua`. */
export function toLuaTable(pages: readonly Page[], publicUrl: URL): string {
  const rows = pages.map((it) => {
    const retry = it.retryAfterS === undefined ? "" : `retry_after_s = ${it.retryAfterS}, `;
    return `  ["${it.name}"] = { status = ${it.status}, ${retry}html = [==[\n${toHtml(it)}]==], json = [==[\n${toProblemText(it, publicUrl)}]==] },\n`;
  });
  return `return {\n${rows.join("")}}\n`;
}
