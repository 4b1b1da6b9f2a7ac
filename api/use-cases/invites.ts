/** `/v1/invites`: links by which people join a tenant. Whoever invites sends the link. */
import { randomBytes } from "node:crypto";
import type { Invite, InviteCreate, NewInvite } from "../../core/contract/access.ts";
import { AppError } from "../../core/contract/errors.ts";
import { parseId, type TenantId } from "../../core/contract/ids.ts";
import { writeAudit, type AuditActor } from "../../core/db/queries/audit.ts";
import { deleteInvite, findInvite, findMember, insertInvite, insertMember, listInvites as readInvites, lockMembers, takeInvite } from "../../core/db/queries/members.ts";
import { requireRoom } from "../../core/db/queries/quota.ts";
import type { UserRow } from "../../core/db/queries/sessions.ts";
import type { Tx } from "../../core/db/client.ts";
import { ROLE_SCOPES } from "../../core/domain/access.ts";
import { hashToken } from "../../core/tokens.ts";
import type { Actor, Deps } from "../deps.ts";
import { toInvite } from "../views/access.ts";
import { requireScopes } from "./give.ts";
import { cursorOf, pageOfRows, type Page, type PageRequest } from "./page.ts";
import { requireWholeTenant } from "./require.ts";

const SECRET_BYTES = 32;

export async function listInvites(deps: Deps, actor: Actor, page: PageRequest): Promise<Page<Invite>> {
  requireWholeTenant(actor);
  const rows = await readInvites(deps.db, actor.tenantId, page.limit + 1, cursorOf("invite", page), deps.clock());
  return pageOfRows(rows, page, ({ id }) => id, toInvite);
}

/** @throws AppError forbidden, conflict (a member already), quota_exceeded */
export async function createInvite(deps: Deps, actor: Actor, input: InviteCreate): Promise<NewInvite> {
  requireWholeTenant(actor);
  requireScopes(actor, ROLE_SCOPES[input.role]);
  return inviteTo(deps, actor, actor.tenantId, input);
}

/** `who` may do so. @throws AppError conflict, quota_exceeded */
export async function inviteTo(deps: Deps, who: AuditActor, tenantId: TenantId, input: InviteCreate): Promise<NewInvite> {
  const now = deps.clock();
  const secret = randomBytes(SECRET_BYTES).toString("base64url");
  const row = await deps.db.transaction(async (tx) => {
    await lockMembers(tx, tenantId);
    if ((await findMember(tx, tenantId, { email: input.email })) !== undefined) throw new AppError("conflict", `${input.email} is a member already.`);
    const made = await insertInvite(tx, {
      tenantId,
      email: input.email,
      role: input.role,
      hash: hashToken(secret),
      invitedBy: who.tokenName ?? who.tokenId,
      createdAt: now,
      expiresAt: new Date(now.getTime() + input.expiresInSeconds * 1000),
    });
    // With the invitation that it replaces gone, it counts once.
    await requireRoom(tx, tenantId, "members", 0);
    await writeAudit(tx, { ...who, tenantId }, "invite.create", made.id, {}, { after: { email: made.email, role: made.role, expiresAt: made.expiresAt.toISOString() } });
    return made;
  });
  const link = new URL("/auth/login", deps.config.publicUrl);
  link.searchParams.set("invite", secret);
  return { ...toInvite(row), secret, link: link.href };
}

/** @throws AppError not_found, also for one that was accepted */
export async function revokeInvite(deps: Deps, actor: Actor, text: string): Promise<void> {
  requireWholeTenant(actor);
  await deps.db.transaction(async (tx) => {
    const id = parseId("invite", text);
    const gone = id === undefined ? undefined : await deleteInvite(tx, actor.tenantId, id);
    if (gone === undefined) throw new AppError("not_found", `${actor.tenantName} has no open invitation «${text}».`);
    await writeAudit(tx, actor, "invite.revoke", gone.id, {}, { before: { email: gone.email, role: gone.role } });
  });
}

/** The person joins: once, in time, and only whom it was meant for. @throws AppError not_found, forbidden */
export async function acceptInvite(tx: Tx, who: Omit<AuditActor, "tenantId">, user: Pick<UserRow, "id" | "email">, hash: string, now: Date): Promise<{ tenantId: TenantId; tenantName: string }> {
  const found = await findInvite(tx, hash);
  const gone = () => new AppError("not_found", "This invitation was used already, was taken back, or has expired: ask for a new one.");
  if (found === undefined) throw gone();
  const { invite, tenantName } = found;
  if (invite.email !== user.email) throw new AppError("forbidden", `This invitation is for ${masked(invite.email)}, and you have signed in as ${user.email}.`);
  await lockMembers(tx, invite.tenantId);
  if (!(await takeInvite(tx, invite.id, now))) throw gone();
  if (await insertMember(tx, invite.tenantId, user.id, invite.role)) {
    await writeAudit(tx, { ...who, tenantId: invite.tenantId }, "member.add", user.id, { email: user.email, invite: invite.id }, { after: { role: invite.role } });
  }
  return { tenantId: invite.tenantId, tenantName };
}

/** Whoever has the link alone need not learn the whole address. */
function masked(email: string): string {
  return email.replace(/^(.).*@/, "$1…@");
}
