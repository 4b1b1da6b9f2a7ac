/** What happened to the instances of one tenant's app. */
import { and, desc, eq, lt } from "drizzle-orm";
import type { AppId, TenantId } from "../../contract/ids.ts";
import type { Db } from "../client.ts";
import { appEvents } from "../schema.ts";

export type EventRow = typeof appEvents.$inferSelect;

/** Newest first, before the event with the number `before`. */
export function listEvents(db: Db, tenantId: TenantId, appId: AppId, limit: number, before: number | undefined): Promise<EventRow[]> {
  return db
    .select()
    .from(appEvents)
    .where(and(eq(appEvents.tenantId, tenantId), eq(appEvents.appId, appId), before === undefined ? undefined : lt(appEvents.id, before)))
    .orderBy(desc(appEvents.id))
    .limit(limit);
}
