/** `GET` and `PATCH /v1/env`: variables that all apps of the tenant get. */
import type { SharedEnvChange } from "../../core/contract/secrets.ts";
import { writeAudit } from "../../core/db/queries/audit.ts";
import { lockShared, readSharedEnv, writeSharedEnv } from "../../core/db/queries/secrets.ts";
import { applyEnvPatch } from "../../core/domain/settings.ts";
import type { Actor, Deps } from "../deps.ts";
import { checkVersion, contentVersion, type IfMatch } from "../preconditions.ts";
import { deploymentsIn, lockSharing, releaseTouched, ringReleased } from "./release-touched.ts";
import { requireWholeTenant } from "./require.ts";

export async function getSharedEnv({ db }: Deps, actor: Actor): Promise<Record<string, string>> {
  requireWholeTenant(actor);
  return readSharedEnv(db, actor.tenantId);
}

/** @throws AppError invalid_config, version_mismatch */
export async function changeSharedEnv(deps: Deps, actor: Actor, patch: Record<string, string | null>, ifMatch: IfMatch): Promise<SharedEnvChange> {
  requireWholeTenant(actor);
  const now = deps.clock();
  const { env, released } = await deps.db.transaction(async (tx) => {
    await lockShared(tx, actor.tenantId);
    const before = await readSharedEnv(tx, actor.tenantId);
    checkVersion(contentVersion(before), ifMatch);
    const changed = Object.keys(patch).filter((name) => (before[name] ?? null) !== patch[name]);
    const sharing = changed.length === 0 ? [] : await lockSharing(tx, actor);
    const touched = sharing.filter((app) => !changed.every((name) => name in app.env));
    const after = applyEnvPatch(before, patch);
    if (changed.length > 0) await writeSharedEnv(tx, actor.tenantId, after);
    const done = await releaseTouched(tx, actor, touched, "env", now);
    if (changed.length > 0) await writeAudit(tx, actor, "tenant.env", actor.tenantId, { ...envDetail(patch, changed), ...deploymentsIn(done) });
    return { env: after, released: done };
  });
  ringReleased(deps, released);
  return { env, deployments: released.deployments };
}

/** Names alone: a value may be a secret. */
export function envDetail(patch: Record<string, string | null>, changed: readonly string[]): { env: { set: string[]; unset: string[] } } {
  return { env: { set: changed.filter((name) => patch[name] !== null), unset: changed.filter((name) => patch[name] === null) } };
}
