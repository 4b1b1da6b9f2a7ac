/** The audit trail: one row a change, in the transaction of the change. */
import { newId, type Id, type TenantId } from "../../contract/ids.ts";
import type { Tx } from "../client.ts";
import { audit } from "../schema.ts";

/** `detail` never holds the value of a secret or of a variable. */
export async function writeAudit(
  tx: Tx,
  who: { tenantId: TenantId; tokenId: Id<"token"> },
  verb: string,
  target: string,
  detail: Record<string, unknown> = {},
): Promise<void> {
  await tx.insert(audit).values({ id: newId("audit"), tenantId: who.tenantId, actor: `token:${who.tokenId}`, verb, target, detail });
}
