/** The cookies of browsers. Over https their names bind them to this very host. */
import type { Context } from "hono";
import { deleteCookie, getCookie, setCookie } from "hono/cookie";
import type { ApiConfig } from "../deps.ts";

/** A renewal goes to this path alone, so that its secret travels as seldom as it can. */
export const RENEW_PATH = "/v1/session/refresh";
/** The browser that began a sign-in is the one that ends it. */
const LOGIN_PATH = "/auth";

export const COOKIES = {
  /** The session's JWT. */
  session: { name: "berth_session", path: "/", sameSite: "Strict" },
  /** What renews it. */
  renewal: { name: "berth_renewal", path: RENEW_PATH, sameSite: "Strict" },
  /** Of a sign-in under way: it comes back from the provider's site. */
  login: { name: "berth_login", path: LOGIN_PATH, sameSite: "Lax" },
} as const;
type CookieKind = keyof typeof COOKIES;

type Config = Pick<ApiConfig, "publicUrl">;
const isSecure = ({ publicUrl }: Config) => publicUrl.protocol === "https:";
const nameOf = (config: Config, kind: CookieKind) => `${isSecure(config) ? (COOKIES[kind].path === "/" ? "__Host-" : "__Secure-") : ""}${COOKIES[kind].name}`;

export function writeCookie(c: Context, config: Config, kind: CookieKind, value: string, maxAgeSeconds: number): void {
  const { path, sameSite } = COOKIES[kind];
  setCookie(c, nameOf(config, kind), value, { path, sameSite, httpOnly: true, secure: isSecure(config), maxAge: Math.max(0, Math.floor(maxAgeSeconds)) });
}

export function readCookie(c: Context, config: Config, kind: CookieKind): string | undefined {
  return getCookie(c, nameOf(config, kind));
}

export function dropCookie(c: Context, config: Config, kind: CookieKind): void {
  deleteCookie(c, nameOf(config, kind), { path: COOKIES[kind].path, secure: isSecure(config), sameSite: COOKIES[kind].sameSite, httpOnly: true });
}
