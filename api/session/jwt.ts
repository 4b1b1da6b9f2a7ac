/** A session's JWT: what a browser shows with each request, for a few minutes. */
import { z } from "zod";
import { idSchema, type Id, type TenantId } from "../../core/contract/ids.ts";
import { signJwt, verifyJwt } from "../../core/db/signing-keys.ts";
import type { Deps } from "../deps.ts";

export const SESSION_JWT_TTL_MS = 10 * 60_000;
/** Then one signs in again. */
export const SESSION_TTL_MS = 7 * 86_400_000;
const KIND = { audience: "berth-session", typ: "berth-session+jwt" };

const ClaimsSchema = z.object({
  sub: idSchema("user"),
  sid: idSchema("session"),
  /** Absent before a tenant was chosen. */
  ten: idSchema("tenant").optional(),
  csrf: z.string(),
  exp: z.number(),
});
export type SessionClaims = z.infer<typeof ClaimsSchema>;

export function signSession(deps: Pick<Deps, "db" | "clock">, session: { id: Id<"session">; userId: Id<"user">; tenantId: TenantId | null; csrf: string }): Promise<string> {
  const { id, userId, tenantId, csrf } = session;
  return signJwt(deps.db, KIND, { sub: userId, sid: id, csrf, ...(tenantId === null ? {} : { ten: tenantId }) }, deps.clock(), SESSION_JWT_TTL_MS);
}

export async function verifySession(deps: Pick<Deps, "db" | "clock">, jwt: string): Promise<SessionClaims | "expired" | undefined> {
  const payload = await verifyJwt(deps.db, KIND, jwt, deps.clock());
  if (payload === undefined || payload === "expired") return payload;
  const claims = ClaimsSchema.safeParse(payload);
  return claims.success ? claims.data : undefined;
}
