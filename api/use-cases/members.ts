/** `/v1/members`: who belongs to the tenant, with which role. */
import type { Member } from "../../core/contract/access.ts";
import { AppError } from "../../core/contract/errors.ts";
import { parseId, type Id } from "../../core/contract/ids.ts";
import { writeAudit } from "../../core/db/queries/audit.ts";
import { countOtherOwners, deleteMember, findMember, listMembers as readMembers, lockMembers, setRole, type MemberRow } from "../../core/db/queries/members.ts";
import { revokeTokensOf } from "../../core/db/queries/token-changes.ts";
import type { Tx } from "../../core/db/client.ts";
import { ROLE_SCOPES, type Role } from "../../core/domain/access.ts";
import { accessChanged } from "../access-changed.ts";
import type { Actor, Deps } from "../deps.ts";
import { toMember } from "../views/access.ts";
import { requireScopes } from "./give.ts";
import { cursorOf, pageOfRows, type Page, type PageRequest } from "./page.ts";
import { requireWholeTenant } from "./require.ts";

export async function listMembers(deps: Deps, actor: Actor, page: PageRequest): Promise<Page<Member>> {
  requireWholeTenant(actor);
  const rows = await readMembers(deps.db, actor.tenantId, page.limit + 1, cursorOf("user", page));
  return pageOfRows(rows, page, ({ userId }) => userId, toMember);
}

async function requireMember(tx: Tx, actor: Actor, idOrEmail: string): Promise<MemberRow> {
  const id = parseId("user", idOrEmail);
  const found = await findMember(tx, actor.tenantId, id === undefined ? { email: idOrEmail.toLowerCase() } : { id });
  if (found === undefined) throw new AppError("not_found", `${actor.tenantName} has no member «${idOrEmail}».`);
  return found;
}

/** Under the lock of the tenant's members, so that two requests at the same time cannot both find another owner. */
async function requireOtherOwner(tx: Tx, actor: Actor, member: MemberRow): Promise<void> {
  if (member.role !== "owner" || (await countOtherOwners(tx, actor.tenantId, member.userId)) > 0) return;
  throw new AppError("conflict", `${member.email} is the last owner of ${actor.tenantName}: make somebody else an owner first.`);
}

/** @throws AppError not_found, forbidden, conflict (the last owner) */
export async function changeRole(deps: Deps, actor: Actor, idOrEmail: string, role: Role): Promise<Member> {
  requireWholeTenant(actor);
  const changed = await deps.db.transaction(async (tx) => {
    await lockMembers(tx, actor.tenantId);
    const before = await requireMember(tx, actor, idOrEmail);
    if (before.role === role) return before;
    requireScopes(actor, ROLE_SCOPES[role]);
    if (role !== "owner") await requireOtherOwner(tx, actor, before);
    await setRole(tx, actor.tenantId, before.userId, role);
    await writeAudit(tx, actor, "member.role", before.userId, { email: before.email }, { before: { role: before.role }, after: { role } });
    return { ...before, role };
  });
  accessChanged(deps, changed.userId);
  return toMember(changed);
}

/** Anybody may leave; others need `admin`. The person's tokens end with it. @throws AppError not_found, forbidden, conflict */
export async function removeMember(deps: Deps, actor: Actor, idOrEmail: string): Promise<void> {
  requireWholeTenant(actor);
  const userId: Id<"user"> = await deps.db.transaction(async (tx) => {
    await lockMembers(tx, actor.tenantId);
    const member = await requireMember(tx, actor, idOrEmail);
    if (member.userId !== actor.userId && !actor.scopes.has("admin")) throw new AppError("forbidden", "To remove somebody else needs the scope «admin».");
    await requireOtherOwner(tx, actor, member);
    await deleteMember(tx, actor.tenantId, member.userId);
    const ended = await revokeTokensOf(tx, actor.tenantId, member.userId, deps.clock());
    await writeAudit(tx, actor, "member.remove", member.userId, { email: member.email, tokensRevoked: ended.length }, { before: { role: member.role } });
    return member.userId;
  });
  accessChanged(deps, userId);
}
