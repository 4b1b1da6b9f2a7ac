import type { Domain } from "../../core/contract/domains.ts";
import { appHost } from "../../core/contract/names.ts";
import type { DomainRow } from "../../core/db/queries/domains.ts";
import { proofName, proofText } from "../../core/domain/hosts.ts";
import type { Actor, ApiConfig } from "../deps.ts";

export function toDomain(row: DomainRow, app: string, actor: Pick<Actor, "tenantName">, config: Pick<ApiConfig, "appsUrl">): Domain {
  return {
    id: row.id,
    host: row.host,
    app,
    verified: row.verifiedAt !== null,
    record: { name: proofName(row.host), type: "TXT", value: proofText(row.challenge) },
    target: appHost(app, actor.tenantName, config.appsUrl.hostname),
    problem: row.problem,
    createdAt: row.createdAt.toISOString(),
    verifiedAt: row.verifiedAt?.toISOString() ?? null,
    checkedAt: row.checkedAt?.toISOString() ?? null,
  };
}
