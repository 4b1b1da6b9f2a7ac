/** Where people sign in, from the environment. */
import { z } from "zod";
import type { OidcSettings } from "../deps.ts";

export const OidcEnv = {
  BERTH_OIDC_ISSUER: z.url({ protocol: /^https?$/ }).optional(),
  BERTH_OIDC_CLIENT_ID: z.string().min(1).optional(),
  BERTH_OIDC_CLIENT_SECRET: z.string().min(1).optional(),
  BERTH_OIDC_SCOPES: z.string().default("openid email profile").refine((text) => text.split(" ").includes("openid"), "must contain openid"),
  BERTH_SIGN_UP: z.enum(["on", "off"]).default("off"),
};

const LOOPBACK = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/;

/** @throws Error when it is set in part, or sends a client's secret in clear over a network */
export function oidcSettings(env: { [K in keyof typeof OidcEnv]?: string | undefined }): OidcSettings | undefined {
  const { BERTH_OIDC_ISSUER: issuer, BERTH_OIDC_CLIENT_ID: clientId, BERTH_OIDC_CLIENT_SECRET: clientSecret } = env;
  if (issuer === undefined && clientId === undefined) return undefined;
  if (issuer === undefined || clientId === undefined) throw new Error("BERTH_OIDC_ISSUER and BERTH_OIDC_CLIENT_ID go together");
  const url = new URL(issuer);
  if (url.protocol === "http:" && !LOOPBACK.test(url.hostname)) throw new Error("BERTH_OIDC_ISSUER: must be https");
  return { issuer: url, clientId, clientSecret, scopes: env.BERTH_OIDC_SCOPES ?? "openid email profile" };
}
