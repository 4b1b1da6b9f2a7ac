/** `GET /v1/audit`: the tenant's audit log, newest first. */
import { AppError } from "../../core/contract/errors.ts";
import type { AuditEntry } from "../../core/contract/audit.ts";
import { parseId, type Id } from "../../core/contract/ids.ts";
import { readAudit, type AuditFilter, type AuditRow } from "../../core/db/queries/audit.ts";
import type { Actor, Deps } from "../deps.ts";
import { requireWholeTenant } from "./require.ts";

export interface AuditQuery {
  verb?: string | undefined;
  actor?: string | undefined;
  target?: string | undefined;
  since?: string | undefined;
  until?: string | undefined;
  limit: number;
  cursor?: string | undefined;
}

const EXPORT_PAGE = 1000;

/** @throws AppError invalid_request, forbidden */
export async function listAudit(deps: Deps, actor: Actor, query: AuditQuery): Promise<{ items: AuditEntry[]; nextCursor: string | null }> {
  const { filter, before } = prepare(actor, query);
  const rows = await readAudit(deps.db, actor.tenantId, filter, query.limit + 1, before);
  const items = rows.slice(0, query.limit).map(toEntry);
  return { items, nextCursor: rows.length > query.limit ? (items.at(-1)?.id ?? null) : null };
}

/** The same without pages: all that there is, page by page. Checked before the first one. */
export function exportAudit(deps: Deps, actor: Actor, query: Omit<AuditQuery, "limit">): (signal: AbortSignal) => AsyncGenerator<AuditEntry[]> {
  const { filter, before } = prepare(actor, query);
  return async function* (signal) {
    let from = before;
    while (!signal.aborted) {
      const rows = await readAudit(deps.db, actor.tenantId, filter, EXPORT_PAGE, from);
      if (rows.length > 0) yield rows.map(toEntry);
      if (rows.length < EXPORT_PAGE) return;
      from = rows.at(-1)?.id;
    }
  };
}

function prepare(actor: Actor, { since, until, cursor, verb, actor: who, target }: Omit<AuditQuery, "limit">): { filter: AuditFilter; before: Id<"audit"> | undefined } {
  requireWholeTenant(actor);
  const before = cursor === undefined ? undefined : parseId("audit", cursor);
  if (cursor !== undefined && before === undefined) throw new AppError("invalid_request", "cursor: take it from `nextCursor` of the page before.");
  const filter = { verb, actor: who, target, since: since === undefined ? undefined : new Date(since), until: until === undefined ? undefined : new Date(until) };
  if (filter.since && filter.until && filter.since >= filter.until) {
    throw new AppError("invalid_request", "until: must be after «since».", { fields: [{ path: "until", message: "must be after «since»" }] });
  }
  return { filter, before };
}

function toEntry({ tenantId: _tenantId, at, ...row }: AuditRow): AuditEntry {
  return { ...row, at: at.toISOString() };
}
