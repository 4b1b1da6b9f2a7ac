/** Writing down what happens to instances, and forgetting it after some days. */
import { eq, lt, sql } from "drizzle-orm";
import type { AppId, InstanceId } from "../../contract/ids.ts";
import type { EventKind } from "../../domain/events.ts";
import type { Db, Tx } from "../client.ts";
import { appEvents, apps } from "../schema.ts";

export interface NewEvent {
  kind: EventKind;
  cause?: string;
  instanceId?: InstanceId;
  detail?: Record<string, string | number>;
}

export async function writeEvent(db: Db | Tx, appId: AppId, { kind, cause, instanceId, detail = {} }: NewEvent, now: Date): Promise<void> {
  // The tenant is the app's; of an app that is gone nothing is written.
  const values = sql`${instanceId ?? null}::text, ${kind}::text, ${cause ?? null}::text, ${JSON.stringify(detail)}::jsonb, ${now.toISOString()}::timestamptz`;
  await db.execute(sql`insert into ${appEvents} (tenant_id, app_id, instance_id, kind, cause, detail, at) select ${apps.tenantId}, ${apps.id}, ${values} from ${apps} where ${apps.id} = ${appId}`);
}

const KEPT_MS = 3 * 86_400_000;

export async function pruneEvents(db: Db, now: Date): Promise<void> {
  await db.delete(appEvents).where(lt(appEvents.at, new Date(now.getTime() - KEPT_MS)));
}

/** With its app. */
export async function removeEvents(tx: Tx, appId: AppId): Promise<void> {
  await tx.delete(appEvents).where(eq(appEvents.appId, appId));
}
