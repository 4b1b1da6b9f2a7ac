/** People of a test: members with personal tokens, and browsers of theirs that are signed in. */
import { randomBytes } from "node:crypto";
import { newId, type Id, type TenantId } from "../../core/contract/ids.ts";
import { insertSession } from "../../core/db/queries/sessions.ts";
import { insertToken } from "../../core/db/queries/token-changes.ts";
import { members, users } from "../../core/db/schema.ts";
import { SCOPES, type Role } from "../../core/domain/access.ts";
import { hashToken } from "../../core/tokens.ts";
import { signSession } from "../../api/session/jwt.ts";
import { randomName, type TestApi } from "./api.ts";

export interface Person {
  id: Id<"user">;
  email: string;
  /** Personal, with all scopes. */
  token: string;
  tokenId: Id<"token">;
}

export async function seedMember(api: TestApi, tenantId: TenantId, role: Role): Promise<Person> {
  const id = newId("user");
  const email = `${randomName("p")}@example.test`;
  await api.db.insert(users).values({ id, email, name: email });
  await api.db.insert(members).values({ tenantId, userId: id, role });
  const made = await api.db.transaction((tx) => insertToken(tx, { tenantId, kind: "personal", userId: id, name: "mine", scopes: [...SCOPES] }));
  return { id, email, token: made.token, tokenId: made.id };
}

export async function seedOperator(api: TestApi): Promise<string> {
  return (await api.db.transaction((tx) => insertToken(tx, { tenantId: null, kind: "operator", name: "operator", scopes: [] }))).token;
}

/** The headers of a page of ours in a browser where the person is signed in. */
export async function seedSession(api: TestApi, userId: Id<"user">, tenantId: TenantId | null): Promise<{ id: Id<"session">; csrf: string; jwt: string; renewal: string; headers: Record<string, string> }> {
  const renewal = randomBytes(32).toString("base64url");
  const csrf = randomBytes(32).toString("base64url");
  const row = await api.db.transaction((tx) => insertSession(tx, { userId, tenantId, hash: hashToken(renewal), csrf, expiresAt: new Date(Date.now() + 3_600_000) }));
  const jwt = await signSession(api.deps, row);
  return { id: row.id, csrf, jwt, renewal, headers: { cookie: `berth_session=${jwt}`, "x-csrf-token": csrf } };
}
