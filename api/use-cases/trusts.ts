/** `/v1/trusts`: pipelines that get tokens for the identity that their provider gives them. */
import type { Trust, TrustCreate } from "../../core/contract/access.ts";
import { AppError } from "../../core/contract/errors.ts";
import { parseId } from "../../core/contract/ids.ts";
import { writeAudit } from "../../core/db/queries/audit.ts";
import { countTrusts, deleteTrust, findTrust, insertTrust, listTrusts as readTrusts, type TrustRow } from "../../core/db/queries/trusts.ts";
import { isIssuerAllowed } from "../../core/federation.ts";
import { accessChanged } from "../access-changed.ts";
import type { Actor, Deps } from "../deps.ts";
import { toTrust } from "../views/access.ts";
import { requireScopes } from "./give.ts";
import { cursorOf, pageOfRows, type Page, type PageRequest } from "./page.ts";
import { requireApp, requireWholeTenant } from "./require.ts";

const MAX_TRUSTS = 100;

export async function listTrusts(deps: Deps, actor: Actor, page: PageRequest): Promise<Page<Trust>> {
  requireWholeTenant(actor);
  const rows = await readTrusts(deps.db, actor.tenantId, page.limit + 1, cursorOf("trust", page));
  return pageOfRows(rows, page, ({ trust }) => trust.id, toTrust);
}

/** @throws AppError forbidden, not_found (the app), name_taken, invalid_request (the issuer), quota_exceeded */
export async function createTrust(deps: Deps, actor: Actor, input: TrustCreate): Promise<Trust> {
  requireWholeTenant(actor);
  const scopes = requireScopes(actor, input.scopes);
  if (!isIssuerAllowed(input.issuer, deps.config.fetchAllow)) {
    const message = "must be an https URL";
    throw new AppError("invalid_request", `issuer: ${message}`, { fields: [{ path: "issuer", message }] });
  }
  return deps.db.transaction(async (tx) => {
    const appId = input.app === undefined ? null : (await requireApp(tx, actor, input.app)).id;
    const { name, issuer, audience, claims } = input;
    const used = await countTrusts(tx, actor.tenantId);
    if (used >= MAX_TRUSTS) throw new AppError("quota_exceeded", `A tenant has at most ${MAX_TRUSTS} trusts.`);
    const id = await insertTrust(tx, { tenantId: actor.tenantId, name, issuer, audience, claims, scopes, appId });
    if (id === undefined) throw new AppError("name_taken", `${actor.tenantName} has a trust «${name}» already.`);
    const made = await findTrust(tx, actor.tenantId, { id });
    if (made === undefined) throw new Error("the trust was not written");
    await writeAudit(tx, actor, "trust.create", id, {}, { after: shown(made) });
    return toTrust(made);
  });
}

/** By name or id; tokens that it gave end with it. @throws AppError not_found */
export async function removeTrust(deps: Deps, actor: Actor, nameOrId: string): Promise<void> {
  requireWholeTenant(actor);
  const id = await deps.db.transaction(async (tx) => {
    const wanted = parseId("trust", nameOrId);
    const found = await findTrust(tx, actor.tenantId, wanted === undefined ? { name: nameOrId } : { id: wanted });
    if (found === undefined) throw new AppError("not_found", `${actor.tenantName} has no trust «${nameOrId}».`);
    const tokensRevoked = await deleteTrust(tx, actor.tenantId, found.trust.id, deps.clock());
    await writeAudit(tx, actor, "trust.remove", found.trust.id, { tokensRevoked }, { before: shown(found) });
    return found.trust.id;
  });
  accessChanged(deps, id);
}

function shown(row: TrustRow): Record<string, unknown> {
  const { id: _id, createdAt: _createdAt, ...rest } = toTrust(row);
  return rest;
}
