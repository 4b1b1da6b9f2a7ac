/** Tells the billing hook of complete hours: at least once each, always with the same id and content. */
import type { Db } from "../../core/db/client.ts";
import { moveBillingOn, readBilledHour, unbilledHours, writeBilled } from "../../core/db/system-queries/billing.ts";
import { completeBefore } from "../../core/domain/usage.ts";
import type { Log } from "../../core/log.ts";
import { Refused, type BillingSink } from "./sinks.ts";

const HOURS_AT_ONCE = 500;

export interface BillingDeps {
  db: Db;
  sink: BillingSink;
  log: Log;
  clock: () => Date;
}

/** One pass. Throws when the hook could not be asked; what it refused is tried again in the next pass. Returns how many hours it took. */
export async function billHours({ db, sink, log, clock }: BillingDeps): Promise<number> {
  const complete = new Date(completeBefore(clock().getTime()));
  const hours = await unbilledHours(db, complete, HOURS_AT_ONCE);
  let taken = 0;
  for (const hour of hours) {
    const billed = await readBilledHour(db, hour);
    try {
      await sink.take(billed, clock());
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      log.error({ err: error, id: billed.id }, "an hour was refused");
      continue;
    }
    await writeBilled(db, hour, clock());
    taken++;
  }
  if (taken === hours.length && hours.length < HOURS_AT_ONCE) await moveBillingOn(db, complete);
  return taken;
}
