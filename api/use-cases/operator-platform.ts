/** `/v1/operator/plans`, `/tokens` and `/signing-keys`: what belongs to no tenant. */
import type { NewToken, Plan, Token } from "../../core/contract/access.ts";
import { AppError } from "../../core/contract/errors.ts";
import { parseId } from "../../core/contract/ids.ts";
import type { Tx } from "../../core/db/client.ts";
import { actorText, writeAudit } from "../../core/db/queries/audit.ts";
import { findToken, insertToken, listTokens, lockToken, revokeToken, type TokenRow } from "../../core/db/queries/token-changes.ts";
import { forgetKeys, rotateKeys } from "../../core/db/signing-keys.ts";
import { deletePlan, findPlan, listPlans as readPlans, putPlan as writePlan, type PlanRow } from "../../core/db/system-queries/operator.ts";
import type { Limits } from "../../core/domain/limits.ts";
import { accessChanged } from "../access-changed.ts";
import type { Deps, Operator } from "../deps.ts";
import { shownToken, toToken } from "../views/access.ts";
import { cursorOf, pageOfRows, wrongCursor, type Page, type PageRequest } from "./page.ts";

const PLAN_NAME = /^[a-z0-9][a-z0-9-]{0,39}$/;

function toPlan({ plan, tenants }: PlanRow): Plan {
  return { name: plan.name, limits: plan.limits, tenants, createdAt: plan.createdAt.toISOString() };
}

export async function listPlans(deps: Deps, page: PageRequest): Promise<Page<Plan>> {
  if (page.cursor !== undefined && !PLAN_NAME.test(page.cursor)) throw wrongCursor();
  return pageOfRows(await readPlans(deps.db, page.limit + 1, page.cursor), page, ({ plan }) => plan.name, toPlan);
}

/** Makes it, or sets all limits of it. */
export async function putPlan(deps: Deps, operator: Operator, name: string, limits: Partial<Limits>): Promise<Plan> {
  const plan = await deps.db.transaction(async (tx) => {
    const before = await findPlan(tx, name);
    await writePlan(tx, name, limits);
    await writeAudit(tx, operator, "plan.put", `plan:${name}`, {}, { ...(before && { before: { limits: before.plan.limits } }), after: { limits } });
    const after = await findPlan(tx, name);
    if (after === undefined) throw new Error("the plan was not written");
    return toPlan(after);
  });
  accessChanged(deps, name);
  return plan;
}

/** @throws AppError not_found, conflict (tenants have it) */
export async function removePlan(deps: Deps, operator: Operator, name: string): Promise<void> {
  await deps.db.transaction(async (tx) => {
    const found = await findPlan(tx, name);
    if (found === undefined) throw new AppError("not_found", `There is no plan «${name}».`);
    if (found.tenants > 0) throw new AppError("conflict", `${found.tenants} tenants have the plan «${name}»: give them another one first.`);
    await deletePlan(tx, name);
    await writeAudit(tx, operator, "plan.remove", `plan:${name}`, {}, { before: { limits: found.plan.limits } });
  });
}

export async function listOperatorTokens(deps: Deps, page: PageRequest): Promise<Page<Token>> {
  const rows = await listTokens(deps.db, null, {}, page.limit + 1, cursorOf("token", page), deps.clock());
  return pageOfRows(rows, page, ({ token }) => token.id, toToken);
}

/** @throws AppError forbidden (it would outlive the token that asks) */
export async function createOperatorToken(deps: Deps, operator: Operator, input: { name: string; expiresInSeconds?: number | undefined }): Promise<NewToken> {
  const now = deps.clock();
  const own = operator.tokenExpiresAt;
  const expiresAt = input.expiresInSeconds === undefined ? own : new Date(now.getTime() + input.expiresInSeconds * 1000);
  if (own !== null && expiresAt !== null && expiresAt > own) throw new AppError("forbidden", `The token that asks ends at ${own.toISOString()}, and the new one would outlive it.`);
  return deps.db.transaction(async (tx) => {
    const { id, token } = await insertToken(tx, { tenantId: null, kind: "operator", name: input.name, scopes: [], createdBy: actorText(operator), createdAt: now, expiresAt });
    const made = await requireOperatorToken(tx, id);
    await writeAudit(tx, operator, "token.create", id, {}, { after: shownToken(made) });
    return { ...toToken(made), token };
  });
}

async function requireOperatorToken(tx: Tx, text: string): Promise<TokenRow> {
  const id = parseId("token", text);
  const found = id === undefined ? undefined : await findToken(tx, null, id);
  if (found === undefined) throw new AppError("not_found", `There is no operator's token «${text}».`);
  return found;
}

/** @throws AppError not_found */
export async function revokeOperatorToken(deps: Deps, operator: Operator, text: string): Promise<void> {
  const id = await deps.db.transaction(async (tx) => {
    const found = await requireOperatorToken(tx, text);
    await lockToken(tx, found.token.id);
    if (await revokeToken(tx, found.token.id, deps.clock())) await writeAudit(tx, operator, "token.revoke", found.token.id, {}, { before: shownToken(found) });
    return found.token.id;
  });
  accessChanged(deps, id);
}

export async function rotateSigningKeys(deps: Deps, operator: Operator, revoke: boolean): Promise<{ kid: string; retired: number }> {
  const done = await deps.db.transaction(async (tx) => {
    const rotated = await rotateKeys(deps.db, tx, revoke);
    await writeAudit(tx, operator, "signing-keys.rotate", `key:${rotated.kid}`, { revoke, retired: rotated.retired });
    return rotated;
  });
  forgetKeys(deps.db);
  return done;
}
