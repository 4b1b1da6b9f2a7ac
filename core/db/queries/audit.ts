/** The audit trail: one row a change, in the transaction of the change. */
import { newId, timeOfId, type Id, type TenantId } from "../../contract/ids.ts";
import { printableDeep } from "../../domain/printable.ts";
import type { Db, Tx } from "../client.ts";
import { audit } from "../schema.ts";

/** Who made the change, from where. */
export interface AuditActor {
  tenantId: TenantId;
  tokenId: Id<"token">;
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
    actor: `token:${who.tokenId}`,
    actorName: who.tokenName ?? "",
    ip: who.ip ?? null,
    requestId: who.requestId ?? null,
    verb,
    target,
    detail,
    ...change,
  });
}

/** The same for what Berth does by itself. `tenantId` null: it is nobody's. */
export async function writeSystemAudit(tx: Db | Tx, tenantId: TenantId | null, verb: string, target: string, detail: Record<string, unknown> = {}): Promise<void> {
  await insert(tx, { tenantId, actor: "system", verb, target, detail });
}

type NewRow = Omit<typeof audit.$inferInsert, "id" | "at">;

/** Names come from outside: what could command a terminal or break a line is written out. */
async function insert(tx: Db | Tx, row: NewRow): Promise<void> {
  const id = newId("audit");
  // The id begins with the time: both say the same, so that the log's order is the order of its index.
  await tx.insert(audit).values({ ...(printableDeep(row) as NewRow), id, at: timeOfId(id) });
}
