/** Signing in with a browser: to the identity provider and back; and the keys of our own JWTs. */
import type { Context } from "hono";
import { html } from "hono/html";
import { z } from "zod";
import { AppError } from "../../core/contract/errors.ts";
import { publishedKeys } from "../../core/db/signing-keys.ts";
import type { ApiEnv, Deps } from "../deps.ts";
import { toAppError } from "../problems.ts";
import { createRouter } from "../router.ts";
import { dropCookie, readCookie, writeCookie } from "../session/cookies.ts";
import { beginLogin, finishLogin, LOGIN_TTL_MS, newSecret } from "../session/login.ts";
import { openProvider, type Provider } from "../session/oidc.ts";
import { sendSession } from "./sessions.ts";

/** RFC 8252: a port of the machine that the browser runs on, and nothing else. */
const LOOPBACK_REDIRECT = /^http:\/\/(?:127\.0\.0\.1|\[::1\]):\d{1,5}\/[A-Za-z0-9/_-]*$/;
const PUBLISHED_FOR_SECONDS = 300;

const LoginQuery = z
  .object({
    /** A path of ours, where the browser goes then. */
    return_to: z.string().max(2000).default("/"),
    invite: z.string().max(200).optional(),
    cli_redirect: z.string().max(200).regex(LOOPBACK_REDIRECT, "must be http://127.0.0.1:<port>/…").optional(),
    cli_state: z.string().min(8).max(200).optional(),
    cli_challenge: z.string().regex(/^[A-Za-z0-9_-]{43}$/, "must be a SHA-256 in base64url").optional(),
  })
  .refine(({ cli_redirect: redirect, cli_state: state, cli_challenge: challenge }) => (redirect === undefined) === (state === undefined) && (redirect === undefined) === (challenge === undefined), {
    path: ["cli_redirect"],
    message: "cli_redirect, cli_state and cli_challenge go together",
  });

export function createAuthRoutes(deps: Deps) {
  const app = createRouter();
  const { oidc } = deps.config;
  let provider: Provider | undefined;
  const requireProvider = (): Provider => {
    if (oidc === undefined) throw new AppError("not_found", "People do not sign in with a browser here: the operator sets BERTH_OIDC_ISSUER. Use a token.");
    return (provider ??= openProvider(oidc));
  };
  // Of the protocol and of people, and no part of the described API: `docs/tokens.md`.
  app.get("/.well-known/jwks.json", async (c) => {
    c.header("cache-control", `public, max-age=${PUBLISHED_FOR_SECONDS}`);
    return c.json(await publishedKeys(deps.db, deps.clock()));
  });
  app.get("/auth/login", async (c) =>
    page(c, async () => {
      const query = LoginQuery.parse(c.req.query());
      const provider = requireProvider();
      // Each leaves a row behind: bounded as wrong tokens are.
      await deps.rateLimits.countFailure(c.get("clientIp"));
      const known = readCookie(c, deps.config, "login");
      // Sign-ins in two tabs are of one browser.
      const browser = known !== undefined && /^[A-Za-z0-9_-]{43}$/.test(known) ? known : newSecret();
      const cli = query.cli_redirect === undefined ? null : { redirect: query.cli_redirect, state: query.cli_state ?? "", challenge: query.cli_challenge ?? "" };
      const url = await beginLogin(deps, provider, { returnTo: ownPath(deps, query.return_to), invite: query.invite, cli }, browser);
      writeCookie(c, deps.config, "login", browser, LOGIN_TTL_MS / 1000);
      return c.redirect(url.href, 302);
    }),
  );
  app.get("/auth/callback", async (c) =>
    page(c, async () => {
      const from = { ip: c.get("clientIp"), requestId: c.get("requestId") };
      const done = await finishLogin(deps, requireProvider(), new URL(c.req.url).search, readCookie(c, deps.config, "login"), from);
      if (done.kind === "cli") return c.redirect(done.redirect.href, 302);
      dropCookie(c, deps.config, "login");
      await sendSession(deps, c, done, done.renewal);
      return c.redirect(done.returnTo, 302);
    }),
  );
  return app;
}

/** Never to another site: not by `//host`, nor by `/\host`. */
function ownPath({ config }: Pick<Deps, "config">, path: string): string {
  const url = path.startsWith("/") ? URL.parse(path, config.publicUrl.href) : null;
  return url !== null && url.origin === config.publicUrl.origin && !url.pathname.startsWith("//") ? `${url.pathname}${url.search}${url.hash}` : "/";
}

/** What people see in their browser, errors too. */
async function page(c: Context<ApiEnv>, answer: () => Promise<Response>): Promise<Response> {
  c.header("cache-control", "no-store");
  c.header("referrer-policy", "no-referrer");
  try {
    return await answer();
  } catch (thrown) {
    const error = toAppError(thrown);
    if (error.status >= 500 && error.code !== "issuer_unavailable") throw thrown;
    if (!(c.req.header("accept") ?? "").includes("text/html")) throw thrown;
    c.header("content-security-policy", "default-src 'none'; frame-ancestors 'none'");
    const shown = html`<!doctype html><html lang="en"><meta charset="utf-8"><title>Berth: not signed in</title><h1>Not signed in</h1><p>${error.message}</p><p><a href="/auth/login">Begin again</a></p></html>`;
    return c.html(shown, error.status as 400);
  }
}
