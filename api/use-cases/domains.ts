/** `/v1/apps/{app}/domains`: hosts of a tenant's own, served once a TXT record has shown whose they are. */
import { randomBytes } from "node:crypto";
import type { Domain } from "../../core/contract/domains.ts";
import { AppError } from "../../core/contract/errors.ts";
import { newId } from "../../core/contract/ids.ts";
import { writeAudit } from "../../core/db/queries/audit.ts";
import { deleteDomain, findDomain, insertDomain, listDomains as readDomains, type DomainRow } from "../../core/db/queries/domains.ts";
import { requireRoom } from "../../core/db/queries/quota.ts";
import { lookForProof } from "../../core/db/system-queries/domains.ts";
import { readHost } from "../../core/domain/hosts.ts";
import type { Actor, Deps } from "../deps.ts";
import { keepInside } from "../idempotency.ts";
import { toDomain } from "../views/domain.ts";
import { requireApp } from "./require.ts";

/** @throws AppError not_found */
export async function listDomains(deps: Deps, actor: Actor, app: string, page: { limit: number; cursor?: string | undefined }): Promise<{ items: Domain[]; nextCursor: string | null }> {
  const { id, name } = await requireApp(deps.db, actor, app);
  const rows = await readDomains(deps.db, actor.tenantId, id, page.limit + 1, page.cursor);
  const items = rows.slice(0, page.limit);
  return { items: items.map((row) => toDomain(row, name, actor, deps.config)), nextCursor: rows.length > page.limit ? (items.at(-1)?.host ?? null) : null };
}

/** Claims the host: nothing is served before it was proved. @throws AppError not_found, invalid_name, name_taken, quota_exceeded */
export async function addDomain(deps: Deps, actor: Actor, app: string, given: string): Promise<Domain> {
  const verdict = readHost(given, [deps.config.appsUrl.hostname, deps.config.publicUrl.hostname]);
  if ("problem" in verdict) throw new AppError("invalid_name", `«${given}» cannot be a domain: ${verdict.problem}.`);
  const { host } = verdict;
  return deps.db.transaction(async (tx) => {
    const { id: appId, name } = await requireApp(tx, actor, app);
    await requireRoom(tx, actor.tenantId, "domains", 1);
    const row = await insertDomain(tx, { id: newId("domain"), tenantId: actor.tenantId, appId, host, challenge: randomBytes(16).toString("hex") });
    if (row === undefined) throw new AppError("name_taken", `An app of ${actor.tenantName} has «${host}» already.`);
    await writeAudit(tx, actor, "domain.add", row.id, { host, app: name });
    const domain = toDomain(row, name, actor, deps.config);
    await keepInside(tx, actor, { status: 201, location: `/v1/apps/${name}/domains/${host}`, body: domain });
    return domain;
  });
}

/** @throws AppError not_found */
export async function getDomain(deps: Deps, actor: Actor, app: string, host: string): Promise<Domain> {
  const { row, name } = await requireDomain(deps, actor, app, host);
  return toDomain(row, name, actor, deps.config);
}

/** Looks at DNS now. What it found is in the answer. @throws AppError not_found */
export async function checkDomain(deps: Deps, actor: Actor, app: string, host: string): Promise<Domain> {
  const { row, name } = await requireDomain(deps, actor, app, host);
  if (row.verifiedAt !== null) return toDomain(row, name, actor, deps.config);
  const { domain, touched } = await lookForProof(deps.db, row, deps.lookupTxt, deps.clock());
  for (const appId of touched) deps.bells.ring("route", appId);
  // Somebody else's look was first, or it was removed.
  const now = domain ?? (await requireDomain(deps, actor, app, host)).row;
  return toDomain(now, name, actor, deps.config);
}

/** It is served no more; whoever claims it next proves it anew. @throws AppError not_found */
export async function removeDomain(deps: Deps, actor: Actor, app: string, host: string): Promise<void> {
  const { row, name } = await requireDomain(deps, actor, app, host);
  await deps.db.transaction(async (tx) => {
    if (await deleteDomain(tx, row.id)) await writeAudit(tx, actor, "domain.remove", row.id, { host: row.host, app: name });
  });
  deps.bells.ring("route", row.appId);
}

async function requireDomain(deps: Deps, actor: Actor, app: string, host: string): Promise<{ row: DomainRow; name: string }> {
  const { id, name } = await requireApp(deps.db, actor, app);
  const row = await findDomain(deps.db, actor.tenantId, id, host.toLowerCase());
  if (row === undefined) throw new AppError("not_found", `${name} has no domain «${host}».`);
  return { row, name };
}
