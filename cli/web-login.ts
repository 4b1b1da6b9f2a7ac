/**
 * `berth login --web`: the browser signs in and brings a code back to a port of this machine; with it and a secret of
 * this process (PKCE) comes a token. Source: https://www.rfc-editor.org/rfc/rfc8252
 */
import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { hostname } from "node:os";
import type { CliLoginAnswer, NewToken } from "../client/index.ts";
import { createClient } from "./client.ts";
import { CliError, EXIT, usageError } from "./errors.ts";
import type { Output } from "./output.ts";

const WAIT_MS = 10 * 60_000;

export interface WebLogin {
  api: string;
  tenant?: string;
  /** Make the tenant. */
  create: boolean;
  /** The link of an invitation, or its secret. */
  invite?: string;
  /** Start a browser; else the URL is printed alone. */
  opensBrowser: boolean;
}

/** The new token, and whom it acts for. @throws CliError */
export async function webLogin(out: Output, login: WebLogin): Promise<{ token: NewToken; email: string }> {
  const verifier = randomBytes(32).toString("base64url");
  const state = randomBytes(32).toString("base64url");
  const waiting = await waitForCode(state);
  try {
    await show(out, loginUrl(login, { verifier, state, redirect: waiting.redirect }), login.opensBrowser);
    const code = await waiting.code;
    // The route is open to all: the code is what counts.
    const client = createClient({ api: login.api, token: "none", context: "" });
    const ask = (tenant: string | undefined) =>
      client.cliLogin({ code, verifier, tokenName: `berth login on ${hostname()}`.slice(0, 100), create: login.create, expiresInSeconds: 90 * 86_400, ...(tenant === undefined ? {} : { tenant }) });
    const first = await ask(login.tenant);
    const { token, email } = first.token === null ? await ask(await chooseTenant(out, first)) : first;
    if (token === null) throw new CliError("No tenant was chosen.", { exitCode: EXIT.usage, code: "usage" });
    return { token, email };
  } finally {
    waiting.close();
  }
}

function loginUrl({ api, invite }: WebLogin, { verifier, state, redirect }: { verifier: string; state: string; redirect: string }): string {
  const url = new URL(`${api}/auth/login`);
  url.searchParams.set("cli_redirect", redirect);
  url.searchParams.set("cli_state", state);
  url.searchParams.set("cli_challenge", createHash("sha256").update(verifier).digest("base64url"));
  if (invite !== undefined) url.searchParams.set("invite", URL.parse(invite)?.searchParams.get("invite") ?? invite);
  return url.href;
}

/** In a pipe the URL is a line of its own, for whoever opens it. */
async function show(out: Output, url: string, opensBrowser: boolean): Promise<void> {
  out.event({ event: "open", url });
  if (out.quiet) process.stderr.write(`${url}\n`);
  if (!out.live) return out.line(url);
  out.line(`Sign in at:\n  ${url}`);
  if (!opensBrowser) return;
  const { default: open } = await import("open");
  // Where no browser starts, the URL is there.
  await open(url).then((child) => child.once("error", () => {}), () => {});
}

async function chooseTenant(out: Output, { email, tenants, canCreateTenant }: CliLoginAnswer): Promise<string> {
  if (tenants.length === 0) {
    const hint = canCreateTenant ? "Make one: berth login --web --create --tenant NAME" : "Ask an owner of one for an invitation: berth login --web --invite LINK";
    throw new CliError(`${email} belongs to no tenant.`, { exitCode: EXIT.auth, code: "forbidden", hint });
  }
  const names = tenants.map(({ name }) => name);
  if (!out.live || process.stdin.isTTY !== true) throw usageError(`${email} belongs to ${names.join(", ")}.`, "Name one: berth login --web --tenant NAME");
  const { select } = await import("@inquirer/prompts");
  return select({ message: "Tenant:", choices: tenants.map(({ name, role }) => ({ value: name, description: role })) });
}

/** A server on loopback that takes one code, of the sign-in that was begun here. */
async function waitForCode(state: string): Promise<{ redirect: string; code: Promise<string>; close: () => void }> {
  let take: (code: string) => void = () => {};
  let fail: (error: Error) => void = () => {};
  const code = new Promise<string>((resolve, reject) => {
    take = resolve;
    fail = reject;
  });
  const server = createServer((request: IncomingMessage, response: ServerResponse) => {
    const url = new URL(request.url ?? "/", "http://127.0.0.1");
    const found = url.searchParams.get("code");
    const isOurs = url.pathname === "/callback" && request.method === "GET" && found !== null && isSame(url.searchParams.get("state") ?? "", state);
    const text = isOurs ? "You have signed in: go back to your terminal." : "This is no sign-in of yours.";
    const page = `<!doctype html><meta charset="utf-8"><title>Berth</title><p>${text}</p>`;
    response.writeHead(isOurs ? 200 : 400, { "content-type": "text/html; charset=utf-8", "cache-control": "no-store", "referrer-policy": "no-referrer", connection: "close" }).end(page);
    if (isOurs) take(found);
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", resolve);
  });
  const timer = setTimeout(() => fail(new CliError("Nobody signed in within ten minutes.", { exitCode: EXIT.auth, code: "unauthenticated", hint: "Begin again with «berth login --web»." })), WAIT_MS);
  // Whoever gave up before it failed is not told.
  code.catch(() => {});
  return {
    redirect: `http://127.0.0.1:${(server.address() as AddressInfo).port}/callback`,
    code,
    close: () => {
      clearTimeout(timer);
      server.close();
    },
  };
}

function isSame(one: string, other: string): boolean {
  return one.length === other.length && timingSafeEqual(Buffer.from(one), Buffer.from(other));
}
