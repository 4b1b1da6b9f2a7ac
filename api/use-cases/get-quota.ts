/** `GET /v1/quota`. */
import type { QuotaList } from "../../core/contract/quota.ts";
import { readAllUse, readPlan, type CountedLimit } from "../../core/db/queries/quota.ts";
import { LimitsSchema } from "../../core/domain/limits.ts";
import type { Actor, Deps } from "../deps.ts";

export async function getQuota(deps: Deps, actor: Actor): Promise<QuotaList> {
  const { name: plan, limits } = await readPlan(deps.db, actor.tenantId);
  const used = await readAllUse(deps.db, actor.tenantId);
  return { plan, items: LimitsSchema.keyof().options.map((name) => ({ name, limit: limits[name], used: used[name as CountedLimit] ?? null })) };
}
