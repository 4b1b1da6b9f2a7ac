/** Previews whose time is over. */
import { and, eq, isNull, lte } from "drizzle-orm";
import type { Db } from "../client.ts";
import { writeSystemAudit } from "../queries/audit.ts";
import { destroyOne, type Destroyed } from "../queries/destroy.ts";
import { apps } from "../schema.ts";
import { lockApp } from "./rollout.ts";

/** Destroys them; whoever was quicker to let one live on wins. Gives what must be rung for. */
export async function endPreviews(db: Db, now: Date): Promise<Destroyed[]> {
  const isOver = and(isNull(apps.deletedAt), lte(apps.expiresAt, now));
  const over = await db.select({ id: apps.id }).from(apps).where(isOver);
  const ended: Destroyed[] = [];
  for (const { id } of over) {
    const done = await db.transaction(async (tx) => {
      await lockApp(tx, id);
      const [app] = await tx.select({ tenantId: apps.tenantId, name: apps.name }).from(apps).where(and(eq(apps.id, id), isOver));
      const destroyed = app && (await destroyOne(tx, app.tenantId, id, now));
      if (destroyed !== undefined) await writeSystemAudit(tx, app?.tenantId ?? null, "preview.expire", id, { name: app?.name });
      return destroyed;
    });
    if (done !== undefined) ended.push(done);
  }
  return ended;
}
