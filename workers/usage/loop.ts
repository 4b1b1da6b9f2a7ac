/** Usage that the clock adds up: storage, and what the billing hook is told. One worker at a time does it. */
import type { Db } from "../../core/db/client.ts";
import { openLeader } from "../../core/db/leader.ts";
import { countStorage } from "../../core/db/system-queries/storage-usage.ts";
import type { Log } from "../../core/log.ts";
import { repeat } from "../repeat.ts";
import { billHours } from "./billing.ts";
import type { BillingSink } from "./sinks.ts";

export interface UsageDeps {
  db: Db;
  log: Log;
  clock: () => Date;
  /** How often storage is added up. */
  storageEveryMs: number;
  /** Undefined: nobody is told. */
  billing: { sink: BillingSink; everyMs: number } | undefined;
}

const BILLING_PAUSE_MAX_MS = 600_000;

/** Starts the loops; the function it gives back stops them after the passes under way. */
export function startUsage(deps: UsageDeps): () => Promise<void> {
  const { db, log, clock, billing } = deps;
  const leader = openLeader(db, "usage");
  const storage = repeat(deps.storageEveryMs, async () => {
    if (!(await leader.isLeader())) return;
    try {
      await countStorage(db, clock());
    } catch (error) {
      // The next pass counts from where the last one that was written ended.
      log.warn({ err: error }, "storage was not added up");
    }
  });
  let pauseMs = 0;
  let notBefore = 0;
  const bills =
    billing &&
    repeat(billing.everyMs, async () => {
      if (clock().getTime() < notBefore || !(await leader.isLeader())) return;
      try {
        const hours = await billHours({ db, sink: billing.sink, log, clock });
        if (hours > 0) log.info({ hours }, "billed");
        pauseMs = 0;
      } catch (error) {
        pauseMs = Math.min(BILLING_PAUSE_MAX_MS, Math.max(billing.everyMs, pauseMs * 2));
        notBefore = clock().getTime() + pauseMs;
        log.warn({ err: error, pauseMs }, "the billing hook could not be told; nothing is lost");
      }
    });
  return async () => {
    await Promise.all([storage(), bills?.()]);
    await leader.close();
  };
}
