/** The audit trail: one row a change, in the transaction of the change. */
import { and, desc, eq, gte, like, lt, or, sql } from "drizzle-orm";
import { firstIdAt, newId, timeOfId, type Id, type TenantId } from "../../contract/ids.ts";
import { printableDeep } from "../../domain/printable.ts";
import type { Db, Tx } from "../client.ts";
import { audit, tenants, tokens } from "../schema.ts";

/** Who made the change, from where. */
export interface AuditActor {
  /** Whose log it belongs to; null: the platform's alone. */
  tenantId: TenantId | null;
  /** What opened the door. A session and a sign-in are their person's. */
  tokenId: Id<"token"> | Id<"session"> | Id<"login"> | Id<"trust">;
  userId?: Id<"user"> | null;
  tokenName?: string;
  ip?: string | null;
  requestId?: string;
}

/** What it was and what it became: what did not change is left out by the caller. */
export interface AuditChange {
  before?: Record<string, unknown>;
  after?: Record<string, unknown>;
}

/** Neither `detail` nor `change` ever holds the value of a secret or of a variable. */
export async function writeAudit(tx: Tx, who: AuditActor, verb: string, target: string, detail: Record<string, unknown> = {}, change: AuditChange = {}): Promise<void> {
  await insert(tx, {
    tenantId: who.tenantId,
    actor: actorText(who),
    actorName: who.tokenName ?? "",
    ip: who.ip ?? null,
    requestId: who.requestId ?? null,
    verb,
    target,
    detail,
    ...change,
  });
}

/** `user:usr_…`, `trust:tru_…` or `token:tok_…`: in `created_by` of rows, too. */
export function actorText({ tokenId, userId }: Pick<AuditActor, "tokenId" | "userId">): string {
  if (/^(ses|lgn)_/.test(tokenId) && userId) return `user:${userId}`;
  return tokenId.startsWith("tru_") ? `trust:${tokenId}` : `token:${tokenId}`;
}
/** The same for what Berth does by itself. `tenantId` null: it is nobody's. */
export async function writeSystemAudit(tx: Db | Tx, tenantId: TenantId | null, verb: string, target: string, detail: Record<string, unknown> = {}): Promise<void> {
  await insert(tx, { tenantId, actor: "system", verb, target, detail });
}

export type AuditRow = typeof audit.$inferSelect;

export interface AuditFilter {
  /** `app.create`, or `app.*`. */
  verb?: string | undefined;
  /** As it is written, its id alone, or its name. */
  actor?: string | undefined;
  /** An id, or a name that the entry says. */
  target?: string | undefined;
  since?: Date | undefined;
  until?: Date | undefined;
}

/** Newest first, before the entry with the id `before`. */
export function readAudit(db: Db | Tx, tenantId: TenantId, { verb, actor, target, since, until }: AuditFilter, limit: number, before: Id<"audit"> | undefined): Promise<AuditRow[]> {
  return db
    .select()
    .from(audit)
    .where(
      and(
        eq(audit.tenantId, tenantId),
        before && lt(audit.id, before),
        since && gte(audit.id, firstIdAt("audit", since)),
        until && lt(audit.id, firstIdAt("audit", until)),
        // No verb has a character that `like` takes for another.
        verb === undefined ? undefined : verb.endsWith(".*") ? like(audit.verb, `${verb.slice(0, -1)}%`) : eq(audit.verb, verb),
        actor === undefined ? undefined : or(eq(audit.actor, actor), eq(audit.actorName, actor), sql`split_part(${audit.actor}, ':', 2) = ${actor}`),
        target === undefined ? undefined : or(eq(audit.target, target), sql`${audit.detail}->>'name' = ${target}`, sql`${audit.detail}->>'app' = ${target}`),
      ),
    )
    .orderBy(desc(audit.id))
    .limit(limit);
}

/** The tenant that the repository belongs to: `<tenant>/<app>`. */
export async function findRepositoryOwner(tx: Tx, repository: string): Promise<TenantId | undefined> {
  const [row] = await tx.select({ id: tenants.id }).from(tenants).where(eq(tenants.name, repository.split("/", 1)[0] ?? ""));
  return row?.id;
}

/** Empty: it is gone. */
export async function findTokenName(tx: Tx, tokenId: Id<"token">): Promise<string> {
  const [row] = await tx.select({ name: tokens.name }).from(tokens).where(eq(tokens.id, tokenId));
  return row?.name ?? "";
}

type NewRow = Omit<typeof audit.$inferInsert, "id" | "at">;

/** Names come from outside: what could command a terminal or break a line is written out. */
async function insert(tx: Db | Tx, row: NewRow): Promise<void> {
  const id = newId("audit");
  // The id begins with the time: both say the same, so that the log's order is the order of its index.
  await tx.insert(audit).values({ ...(printableDeep(row) as NewRow), id, at: timeOfId(id) });
}
