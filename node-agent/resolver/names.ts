/** What a question gets, by who asks. Pure. */
import type { TenantId } from "../../core/contract/ids.ts";
import { INTERNAL_DOMAIN } from "../../core/contract/names.ts";
import { contains } from "../../core/domain/ipv4.ts";
import { PRIVATE_CIDRS } from "../../core/host/commands/firewall.ts";
import type { ResolverTable } from "./table.ts";

export interface Question {
  name: string;
  type: string;
  class: string | undefined;
}

export type Verdict =
  /** Who asks has only just started: the news about it is on its way. */
  | { kind: "unknown" }
  | { kind: "addresses"; addresses: readonly string[] }
  /** It has no records of the type. */
  | { kind: "empty" }
  /** Another tenant's, or nobody's: the same. */
  | { kind: "missing" }
  /** It is the tenant's, and nothing of it runs. */
  | { kind: "unavailable" }
  | { kind: "refused" }
  | { kind: "wake"; tenantId: TenantId; name: string }
  | { kind: "forward"; tenantId: TenantId };

/** Whole zones, and what is no question for records. */
const REFUSED_TYPES = new Set(["AXFR", "IXFR", "OPT", "TSIG", "TKEY"]);

export function judge(table: ResolverTable, client: string, question: Question): Verdict {
  const tenantId = table.clients[client];
  if (tenantId === undefined) return { kind: "unknown" };
  if (question.class !== "IN" || REFUSED_TYPES.has(question.type)) return { kind: "refused" };
  const name = question.name.toLowerCase().replace(/\.$/, "");
  if (name === INTERNAL_DOMAIN || isPrivateReverse(name)) return { kind: "missing" };
  if (!name.endsWith(`.${INTERNAL_DOMAIN}`)) return { kind: "forward", tenantId };
  const app = name.slice(0, -INTERNAL_DOMAIN.length - 1);
  const names = table.tenants[tenantId];
  if (names === undefined) return { kind: "unknown" };
  // An app may be called «constructor».
  const entry = Object.hasOwn(names, app) ? names[app] : undefined;
  if (entry === undefined) return { kind: "missing" };
  if (question.type !== "A") return { kind: "empty" };
  if (entry.addresses.length > 0) return { kind: "addresses", addresses: entry.addresses };
  return entry.mayWake ? { kind: "wake", tenantId, name: app } : { kind: "unavailable" };
}

/** Who has a private address is no question for the internet (RFC 6303). */
function isPrivateReverse(name: string): boolean {
  const labels = /^(?:(\d{1,3})\.)?(?:(\d{1,3})\.)?(?:(\d{1,3})\.)?(\d{1,3})\.in-addr\.arpa$/.exec(name)?.slice(1);
  if (labels === undefined) return false;
  const address = labels.toReversed().map((label) => label ?? "0").join(".");
  return PRIVATE_CIDRS.some((range) => contains(range, address));
}
