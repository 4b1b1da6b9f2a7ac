/** `/v1/operator/tenants`: what operators do with tenants. Each change is in the tenant's own audit log. */
import type { NewInvite, NewToken, Tenant, TenantPlanPut, InviteCreate } from "../../core/contract/access.ts";
import { AppError } from "../../core/contract/errors.ts";
import type { AppId } from "../../core/contract/ids.ts";
import type { Tx } from "../../core/db/client.ts";
import { actorText, writeAudit } from "../../core/db/queries/audit.ts";
import { requireRoom } from "../../core/db/queries/quota.ts";
import { findToken, insertToken } from "../../core/db/queries/token-changes.ts";
import { appsOf, findPlan, findTenant, insertTenant, listTenants as readTenants, lockTenantRow, updateTenant, type TenantRow } from "../../core/db/system-queries/operator.ts";
import { SCOPES, type Scope } from "../../core/domain/access.ts";
import { accessChanged } from "../access-changed.ts";
import type { Deps, Operator } from "../deps.ts";
import { shownToken, toToken } from "../views/access.ts";
import { inviteTo } from "./invites.ts";
import { cursorOf, pageOfRows, type Page, type PageRequest } from "./page.ts";

export function toTenant({ tenant, members, apps }: TenantRow): Tenant {
  const { id, name, plan, limits, suspendedAt, createdAt } = tenant;
  return { id, name, plan, limits, suspendedAt: suspendedAt?.toISOString() ?? null, members, apps, createdAt: createdAt.toISOString() };
}

export async function listTenants(deps: Deps, page: PageRequest): Promise<Page<Tenant>> {
  const rows = await readTenants(deps.db, page.limit + 1, cursorOf("tenant", page));
  return pageOfRows(rows, page, ({ tenant }) => tenant.id, toTenant);
}

/** @throws AppError not_found */
export async function requireTenant(db: Deps["db"] | Tx, nameOrId: string): Promise<TenantRow> {
  const found = await findTenant(db, nameOrId);
  if (found === undefined) throw new AppError("not_found", `There is no tenant «${nameOrId}».`);
  return found;
}

async function requirePlan(tx: Tx, name: string): Promise<void> {
  if ((await findPlan(tx, name)) === undefined) throw new AppError("not_found", `There is no plan «${name}».`);
}

/** @throws AppError name_taken, not_found (the plan) */
export async function createTenant(deps: Deps, operator: Operator, input: { name: string; plan?: string | undefined }): Promise<Tenant> {
  return deps.db.transaction(async (tx) => {
    if (input.plan !== undefined) await requirePlan(tx, input.plan);
    const id = await insertTenant(tx, { name: input.name, plan: input.plan ?? null });
    if (id === undefined) throw new AppError("name_taken", `There is a tenant «${input.name}» already.`);
    const made = await requireTenant(tx, id);
    await writeAudit(tx, { ...operator, tenantId: id }, "tenant.create", id, {}, { after: { name: input.name, plan: input.plan ?? null } });
    return toTenant(made);
  });
}

/** Plan and exceptions hold for what is asked for from now on; what runs is not touched. @throws AppError not_found */
export async function setTenantPlan(deps: Deps, operator: Operator, nameOrId: string, { plan, limits }: TenantPlanPut): Promise<Tenant> {
  const changed = await deps.db.transaction(async (tx) => {
    const { tenant } = await lockedTenant(tx, nameOrId);
    if (plan !== null) await requirePlan(tx, plan);
    await updateTenant(tx, tenant.id, { plan, limits });
    await writeAudit(tx, { ...operator, tenantId: tenant.id }, "tenant.plan", tenant.id, {}, { before: { plan: tenant.plan, limits: tenant.limits }, after: { plan, limits } });
    return toTenant(await requireTenant(tx, tenant.id));
  });
  // Limits on requests are kept with tokens that were just seen.
  accessChanged(deps, changed.id);
  return changed;
}

/** Suspended: it can be read, nothing of it runs, nothing is built. Doing it twice changes nothing. @throws AppError not_found */
export async function setSuspended(deps: Deps, operator: Operator, nameOrId: string, isSuspended: boolean): Promise<Tenant> {
  const { tenant, touched } = await deps.db.transaction(async (tx) => {
    const { tenant: before } = await lockedTenant(tx, nameOrId);
    if ((before.suspendedAt !== null) === isSuspended) return { tenant: toTenant(await requireTenant(tx, before.id)), touched: [] as AppId[] };
    const suspendedAt = isSuspended ? deps.clock() : null;
    await updateTenant(tx, before.id, { suspendedAt });
    const text = (at: Date | null) => ({ suspendedAt: at?.toISOString() ?? null });
    await writeAudit(tx, { ...operator, tenantId: before.id }, isSuspended ? "tenant.suspend" : "tenant.resume", before.id, {}, { before: text(before.suspendedAt), after: text(suspendedAt) });
    return { tenant: toTenant(await requireTenant(tx, before.id)), touched: await appsOf(tx, before.id) };
  });
  accessChanged(deps, tenant.id);
  for (const id of touched) {
    deps.bells.ring("reconcile", id);
    deps.bells.ring("route", id);
  }
  return tenant;
}

async function lockedTenant(tx: Tx, nameOrId: string): Promise<TenantRow> {
  const { tenant } = await requireTenant(tx, nameOrId);
  await lockTenantRow(tx, tenant.id);
  return requireTenant(tx, tenant.id);
}

/** The token with which a tenant begins. @throws AppError not_found, quota_exceeded */
export async function createTenantToken(deps: Deps, operator: Operator, nameOrId: string, input: { name: string; scopes: readonly Scope[]; expiresInSeconds?: number | undefined }): Promise<NewToken> {
  const now = deps.clock();
  const expiresAt = input.expiresInSeconds === undefined ? null : new Date(now.getTime() + input.expiresInSeconds * 1000);
  return deps.db.transaction(async (tx) => {
    const { tenant } = await requireTenant(tx, nameOrId);
    await requireRoom(tx, tenant.id, "tokens", 1);
    const scopes = SCOPES.filter((scope) => input.scopes.includes(scope));
    const { id, token } = await insertToken(tx, { tenantId: tenant.id, kind: "deploy", name: input.name, scopes, createdBy: actorText(operator), createdAt: now, expiresAt });
    const made = await findToken(tx, tenant.id, id);
    if (made === undefined) throw new Error("the token was not written");
    await writeAudit(tx, { ...operator, tenantId: tenant.id }, "token.create", id, {}, { after: shownToken(made) });
    return { ...toToken(made), token };
  });
}

/** Its first owner, where people sign in. @throws AppError not_found, conflict, quota_exceeded */
export async function inviteToTenant(deps: Deps, operator: Operator, nameOrId: string, input: InviteCreate): Promise<NewInvite> {
  const { tenant } = await requireTenant(deps.db, nameOrId);
  return inviteTo(deps, operator, tenant.id, input);
}
