/** `/v1/session`: who is signed in, where they look, and its end. */
import type { Session } from "../../core/contract/access.ts";
import { AppError } from "../../core/contract/errors.ts";
import { TenantNameSchema } from "../../core/contract/names.ts";
import type { Id } from "../../core/contract/ids.ts";
import type { Tx } from "../../core/db/client.ts";
import { writeAudit, type AuditActor } from "../../core/db/queries/audit.ts";
import { insertMember, lockUser } from "../../core/db/queries/members.ts";
import { endSession as writeEnd, findSession, membershipsOf, setSessionTenant, type Membership, type SessionRow, type UserRow } from "../../core/db/queries/sessions.ts";
import { insertTenant } from "../../core/db/system-queries/operator.ts";
import { hashToken } from "../../core/tokens.ts";
import { accessChanged } from "../access-changed.ts";
import type { Deps } from "../deps.ts";
import { invalid } from "../problems.ts";
import { acceptInvite } from "../use-cases/invites.ts";
import { SESSION_JWT_TTL_MS } from "./jwt.ts";

export interface SignedIn {
  session: SessionRow;
  user: UserRow;
}
interface From {
  ip: string | null;
  requestId: string;
}

/** @throws AppError unauthenticated */
export async function requireSession(deps: Pick<Deps, "db" | "clock">, by: { id: Id<"session"> } | { renewal: string }): Promise<SignedIn> {
  const found = await findSession(deps.db, "id" in by ? by : { hash: hashToken(by.renewal) }, deps.clock());
  if (found === undefined) throw new AppError("unauthenticated", "The session has ended: sign in again.");
  return found;
}

export async function showSession(deps: Deps, { session, user }: SignedIn): Promise<Session> {
  const tenants = await membershipsOf(deps.db, user.id);
  return {
    user: { id: user.id, email: user.email, name: user.name },
    tenant: tenants.find(({ tenantId }) => tenantId === session.tenantId)?.tenantName ?? null,
    tenants: tenants.map(({ tenantName, role }) => ({ name: tenantName, role })),
    csrfToken: session.csrf,
    canCreateTenant: deps.config.hasSignUp && tenants.length === 0,
    renewBefore: new Date(Math.min(deps.clock().getTime() + SESSION_JWT_TTL_MS, session.expiresAt.getTime())).toISOString(),
    expiresAt: session.expiresAt.toISOString(),
  };
}

/** The session looks at another tenant. @throws AppError not_found, also for one that is not the person's */
export async function chooseTenant(deps: Deps, { session, user }: SignedIn, name: string): Promise<SignedIn> {
  const membership = (await membershipsOf(deps.db, user.id)).find(({ tenantName }) => tenantName === name);
  if (membership === undefined) throw new AppError("not_found", `You are no member of a tenant «${name}».`);
  await deps.db.transaction((tx) => setSessionTenant(tx, session.id, membership.tenantId));
  return { session: { ...session, tenantId: membership.tenantId }, user };
}

/** @throws AppError forbidden, conflict, name_taken, invalid_name */
export async function createOwnTenant(deps: Deps, signedIn: SignedIn, name: string, from: From): Promise<SignedIn> {
  const { session, user } = signedIn;
  const who = { tokenId: session.id, userId: user.id, tokenName: user.email, ...from };
  const tenantId = await deps.db.transaction(async (tx) => {
    const { tenantId: made } = await foundTenant(tx, deps, user, name, who);
    await setSessionTenant(tx, session.id, made);
    return made;
  });
  return { session: { ...session, tenantId }, user };
}

/** A tenant of one's own, for somebody who has none. @throws AppError forbidden, conflict, name_taken, invalid_name */
export async function foundTenant(tx: Tx, deps: Pick<Deps, "config">, user: UserRow, name: string, who: Omit<AuditActor, "tenantId">): Promise<Membership> {
  if (!deps.config.hasSignUp) throw new AppError("forbidden", "Tenants are made by the operator here: ask for one, or for an invitation.");
  const checked = TenantNameSchema.safeParse(name);
  if (!checked.success) throw invalid("invalid_name", checked.error.issues);
  // Two requests at the same time must not both find none.
  await lockUser(tx, user.id);
  const [member] = await membershipsOf(tx, user.id);
  if (member !== undefined) throw new AppError("conflict", `You belong to ${member.tenantName} already: a tenant of one's own is for those who have none.`);
  const tenantId = await insertTenant(tx, { name: checked.data });
  if (tenantId === undefined) throw new AppError("name_taken", `There is a tenant «${name}» already.`);
  await insertMember(tx, tenantId, user.id, "owner");
  await writeAudit(tx, { ...who, tenantId }, "tenant.create", tenantId, { owner: user.email }, { after: { name: checked.data } });
  return { tenantId, tenantName: checked.data, role: "owner" };
}

/** @throws AppError not_found, forbidden */
export async function joinByInvite(deps: Deps, { session, user }: SignedIn, secret: string, from: From): Promise<SignedIn> {
  const who = { tokenId: session.id, userId: user.id, tokenName: user.email, ...from };
  const tenantId = await deps.db.transaction(async (tx) => {
    const joined = await acceptInvite(tx, who, user, hashToken(secret), deps.clock());
    await setSessionTenant(tx, session.id, joined.tenantId);
    return joined.tenantId;
  });
  return { session: { ...session, tenantId }, user };
}

/** Ends it everywhere within a second, with what it has open. */
export async function endSession(deps: Deps, { session, user }: SignedIn, from: From): Promise<void> {
  await deps.db.transaction(async (tx) => {
    if (!(await writeEnd(tx, session.id, deps.clock()))) return;
    await writeAudit(tx, { tenantId: null, tokenId: session.id, userId: user.id, tokenName: user.email, ...from }, "session.end", session.id);
  });
  accessChanged(deps, session.id);
}
