/** Who changed what in the registry. What a build pushes is told by the build's own end. */
import type { Context } from "hono";
import { parseId } from "../../core/contract/ids.ts";
import { findRepositoryOwner, findTokenName, writeAudit } from "../../core/db/queries/audit.ts";
import type { OnChange } from "../../core/db/system-queries/registry.ts";
import type { RegistryClaims } from "../../core/registry/token.ts";
import type { ApiEnv } from "../deps.ts";

/** Writes the entry `image.push`, `image.delete` … of a change that these claims allowed. */
export function auditOf(c: Context<ApiEnv>, claims: RegistryClaims, repository: string, verb: string, reference: string): OnChange {
  return async (tx, change) => {
    const tokenId = parseId("token", claims.subject.slice(claims.subject.indexOf(":") + 1));
    if (tokenId === undefined) return;
    const tenantId = await findRepositoryOwner(tx, repository);
    if (tenantId === undefined) return;
    const who = { tenantId, tokenId, tokenName: await findTokenName(tx, tokenId), ip: c.get("clientIp"), requestId: c.get("requestId") };
    await writeAudit(tx, who, verb, repository, { name: repository, reference }, change);
  };
}
