/** The audit trail: one row a change, in the transaction of the change. */
import { newId, type Id, type TenantId } from "../../contract/ids.ts";
import type { Tx } from "../client.ts";
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
  await tx.insert(audit).values({
    id: newId("audit"),
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
