/**
 * Tokens of the registry: short JWTs with the claims that Docker's clients know (`access`), signed with
 * `core/db/signing-keys.ts`. Source: https://distribution.github.io/distribution/spec/auth/jwt/
 */
import { z } from "zod";
import type { Db } from "../db/client.ts";
import { signJwt, verifyJwt } from "../db/signing-keys.ts";

export const REGISTRY_SERVICE = "berth-registry";
export const TOKEN_TTL_MS = 5 * 60_000;

const ActionSchema = z.enum(["pull", "push", "delete"]);
export type RegistryAction = z.infer<typeof ActionSchema>;
const AccessSchema = z.object({
  type: z.literal("repository"),
  /** A repository, or `<first part>/*` for all below it. */
  name: z.string(),
  actions: z.array(ActionSchema),
});
export type RegistryAccess = z.infer<typeof AccessSchema>;

export interface RegistryClaims {
  /** Who: `token:tok_…`, `build`, `platform` or `anonymous`. */
  subject: string;
  access: RegistryAccess[];
}

/** Whether the claims allow the action on the repository. Pure. */
export function allows(claims: RegistryClaims, repository: string, action: RegistryAction): boolean {
  return claims.access.some(({ name, actions }) => actions.includes(action) && (name === repository || (name.endsWith("/*") && repository.startsWith(name.slice(0, -1)))));
}

const KIND = { audience: REGISTRY_SERVICE, typ: "JWT" };

export function signRegistryToken(db: Db, claims: RegistryClaims, ttlMs = TOKEN_TTL_MS): Promise<string> {
  return signJwt(db, KIND, { sub: claims.subject, access: claims.access }, new Date(), ttlMs);
}

/** The claims of a valid token, undefined for any other text. */
export async function verifyRegistryToken(db: Db, token: string): Promise<RegistryClaims | undefined> {
  const payload = await verifyJwt(db, KIND, token, new Date());
  if (payload === undefined || payload === "expired") return undefined;
  const access = z.array(AccessSchema).safeParse(payload["access"]);
  return access.success ? { subject: payload.sub ?? "", access: access.data } : undefined;
}

/** For publishing the catalogue: all of one repository, whoever it belongs to. */
export function platformToken(db: Db, repository: string): Promise<string> {
  return signRegistryToken(db, { subject: "platform", access: [{ type: "repository", name: repository, actions: ["pull", "push", "delete"] }] });
}

/** For one build: reads the catalogue and its tenant's images, writes its own repository and its cache. */
export function buildToken(db: Db, access: { tenantName: string; repository: string }): Promise<string> {
  const own = (name: string) => ({ type: "repository" as const, name, actions: ["pull" as const, "push" as const] });
  return signRegistryToken(db, {
    subject: "build",
    access: [
      own(access.repository),
      own(`${access.repository}/cache`),
      { type: "repository", name: "library/*", actions: ["pull"] },
      { type: "repository", name: `${access.tenantName}/*`, actions: ["pull"] },
    ],
  });
}
