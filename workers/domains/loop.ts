/** Looks for the proofs of domains that were claimed, so that nobody has to ask again. One worker does it at a time. */
import type { Bells } from "../../core/bells.ts";
import type { Db } from "../../core/db/client.ts";
import { openLeader } from "../../core/db/leader.ts";
import { dueDomains, lookForProof } from "../../core/db/system-queries/domains.ts";
import type { TxtLookup } from "../../core/dns.ts";
import type { Log } from "../../core/log.ts";
import { repeat } from "../repeat.ts";

/** Looks of one pass; each may wait for DNS. */
const BATCH = 50;

export interface DomainDeps {
  db: Db;
  bells: Bells;
  log: Log;
  clock: () => Date;
  lookup: TxtLookup;
  everyMs: number;
}

/** Starts the loop; the function it gives back stops it after the pass under way. */
export function startDomains(deps: DomainDeps): () => Promise<void> {
  const leader = openLeader(deps.db, "domains");
  const stop = repeat(deps.everyMs, async () => {
    try {
      if (await leader.isLeader()) await onePass(deps);
    } catch (error) {
      deps.log.warn({ err: error }, "domains were not looked at");
    }
  });
  return async () => {
    await stop();
    await leader.close();
  };
}

async function onePass({ db, bells, log, clock, lookup }: DomainDeps): Promise<void> {
  await Promise.all(
    (await dueDomains(db, clock(), BATCH)).map(async (row) => {
      const { domain, touched } = await lookForProof(db, row, lookup, clock());
      for (const appId of touched) bells.ring("route", appId);
      if (domain?.verifiedAt) log.info({ host: row.host, appId: row.appId }, "domain verified");
    }),
  );
}
