/**
 * What is done with an app's requests, as HAProxy is told it: pure. Requests of apps with features take a way of their own
 * through HAProxy, by an inner frontend (`commands/features.ts`); those of all others never meet a rule of it.
 */
import { createHash } from "node:crypto";
import type { Route } from "../core/contract/gateway-channel.ts";

/** Where requests of a host go first: to the slot, or to one of the inner frontends. */
export const ENTRIES = ["slot", "features", "features_gzip"] as const;
export type Entry = (typeof ENTRIES)[number];

export interface Features {
  entry: Entry;
  /** For `lua/features.lua`: words between `|`, without blanks, `;` and `\`. */
  features?: string | undefined;
  socketIdle?: string | undefined;
  isSticky: boolean;
}

/** `splits`: a part of its requests goes elsewhere. */
export function featuresOf({ http = {}, maintenance }: Pick<Route, "http" | "maintenance">, splits?: string): Features {
  const { compression = false, sticky = false, socketIdleMs, rateLimit, allowFrom, basicAuth } = http;
  const words = [
    ...(allowFrom === undefined ? [] : [`allow=${allowFrom.join(",")}`]),
    ...(maintenance === undefined ? [] : [`maintenance=${maintenance.retryAfterS}`]),
    ...(basicAuth === undefined ? [] : [`auth=${Buffer.from(basicAuth.user).toString("hex")}:${basicAuth.passwordHash}`]),
    ...(rateLimit === undefined ? [] : [`rate=${rateLimit.requests}:${rateLimit.periodMs}:${rateLimit.by}`]),
    ...(sticky ? ["sticky"] : []),
  ];
  const isPlain = words.length === 0 && splits === undefined && !compression && socketIdleMs === undefined;
  return {
    entry: isPlain ? "slot" : compression ? "features_gzip" : "features",
    features: words.length === 0 ? undefined : words.join("|"),
    socketIdle: socketIdleMs === undefined ? undefined : String(socketIdleMs),
    isSticky: sticky,
  };
}

/** Names a server to a client, without saying its id; `commands/features.ts` computes the same in HAProxy. */
export function stickyToken(server: string): string {
  return createHash("sha256").update(server).digest("hex").toUpperCase().slice(0, 32);
}
