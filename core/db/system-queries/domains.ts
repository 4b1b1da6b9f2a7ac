/** Proofs of domains: looking for them, and what a look changes. For the API (when asked) and for the workers' loop. */
import { and, asc, eq, isNotNull, isNull, lte, ne, sql } from "drizzle-orm";
import type { AppId } from "../../contract/ids.ts";
import { holdsProof, nextLookMs, proofName, proofText } from "../../domain/hosts.ts";
import type { TxtLookup } from "../../dns.ts";
import type { Db } from "../client.ts";
import { writeSystemAudit } from "../queries/audit.ts";
import type { DomainRow } from "../queries/domains.ts";
import { apps, domains } from "../schema.ts";

export interface Looked {
  /** As it is now; undefined when it was removed meanwhile. */
  domain: DomainRow | undefined;
  /** Apps whose routes have changed. */
  touched: AppId[];
}

/**
 * Looks for the proof. A host that another tenant had proved goes to the one whose proof is there now, when the former
 * one's is not: hosts change hands. DNS is asked outside of any transaction.
 */
export async function lookForProof(db: Db, row: DomainRow, lookup: TxtLookup, now: Date): Promise<Looked> {
  const records = await lookup(proofName(row.host));
  if (records === undefined) return { domain: await note(db, row, now, `DNS did not answer for ${proofName(row.host)}. Try again in a moment.`), touched: [] };
  if (!holdsProof(records, row.challenge)) {
    const found = records.map((parts) => `«${parts.join("").slice(0, 80)}»`).slice(0, 3).join(", ");
    return { domain: await note(db, row, now, `${proofName(row.host)} has ${found === "" ? "no TXT record" : `the TXT record ${found}`}, not «${proofText(row.challenge)}».`), touched: [] };
  }
  return db.transaction(async (tx) => {
    // Two that are proved at the same moment are taken one after the other.
    await tx.execute(sql`select pg_advisory_xact_lock(hashtextextended(${`domain:${row.host}`}, 0))`);
    const [former] = await tx.select().from(domains).where(and(eq(domains.host, row.host), ne(domains.id, row.id), isNotNull(domains.verifiedAt)));
    if (former !== undefined && holdsProof(records, former.challenge)) {
      return { domain: await note(tx, row, now, `${proofName(row.host)} has the proof of another claim, too: remove the other «berth-verify=» record.`), touched: [] };
    }
    if (former !== undefined) {
      await tx.update(domains).set({ verifiedAt: null, checkedAt: now, nextLookAt: null, problem: "The host was proved to be somebody else's." }).where(eq(domains.id, former.id));
      await writeSystemAudit(tx, former.tenantId, "domain.lose", former.id, { host: row.host });
    }
    const [domain] = await tx.update(domains).set({ verifiedAt: now, checkedAt: now, nextLookAt: null, problem: null }).where(and(eq(domains.id, row.id), isNull(domains.verifiedAt))).returning();
    if (domain !== undefined) await writeSystemAudit(tx, row.tenantId, "domain.verify", row.id, { host: row.host });
    return { domain, touched: domain === undefined ? [] : [row.appId, ...(former === undefined ? [] : [former.appId])] };
  });
}

async function note(db: Pick<Db, "update">, row: DomainRow, now: Date, problem: string): Promise<DomainRow | undefined> {
  const pauseMs = nextLookMs(now.getTime() - row.createdAt.getTime());
  const nextLookAt = pauseMs === undefined ? null : new Date(now.getTime() + pauseMs);
  const [noted] = await db.update(domains).set({ checkedAt: now, nextLookAt, problem }).where(and(eq(domains.id, row.id), isNull(domains.verifiedAt))).returning();
  return noted;
}

/** Claims whose next look is due, of apps that are there, the one that waited longest first. */
export async function dueDomains(db: Db, now: Date, limit: number): Promise<DomainRow[]> {
  const rows = await db
    .select({ domain: domains })
    .from(domains)
    .innerJoin(apps, eq(apps.id, domains.appId))
    .where(and(lte(domains.nextLookAt, now), isNull(domains.verifiedAt), isNull(apps.deletedAt)))
    .orderBy(asc(domains.nextLookAt))
    .limit(limit);
  return rows.map((row) => row.domain);
}
