/**
 * Requests that were sent with an `Idempotency-Key`. Who has the key's row does the work, and writes the answer in the
 * transaction of the work itself: after a crash either both are there or neither is, and what lost its row in the
 * meantime is undone.
 */
import { and, eq, isNull, lt, sql } from "drizzle-orm";
import { AppError } from "../../contract/errors.ts";
import type { TenantId } from "../../contract/ids.ts";
import type { Db, Tx } from "../client.ts";
import { idempotency } from "../schema.ts";

export interface KeptAnswer {
  status: number;
  headers: Record<string, string>;
  body: string;
}

/** A request's hold on its key. */
export interface KeyHold {
  tenantId: TenantId;
  key: string;
  /** Of this request alone. */
  holder: string;
}

export type Taken = { kind: "mine" } | { kind: "inFlight" } | { kind: "answered"; fingerprint: string; answer: KeptAnswer };

/** A holder that was not heard of for so long has died. */
export const KEY_LOCK_MS = 30_000;
/** How long an answer is kept. */
export const KEY_TTL_MS = 24 * 3_600_000;

const held = (hold: KeyHold) => and(eq(idempotency.tenantId, hold.tenantId), eq(idempotency.key, hold.key), eq(idempotency.holder, hold.holder), isNull(idempotency.answer));

/** Takes the key for this request, unless another one has it or has been answered. */
export async function takeKey(db: Db, hold: KeyHold, now: Date): Promise<Taken> {
  const mine = { holder: hold.holder, lockedUntil: new Date(now.getTime() + KEY_LOCK_MS), fingerprint: null, answer: null, createdAt: now };
  // Twice: the row that stood in the way may be gone when it is looked at.
  for (let attempt = 0; attempt < 2; attempt++) {
    const taken = await db
      .insert(idempotency)
      .values({ tenantId: hold.tenantId, key: hold.key, ...mine })
      .onConflictDoUpdate({
        target: [idempotency.tenantId, idempotency.key],
        set: mine,
        setWhere: sql`(${idempotency.answer} is null and ${idempotency.lockedUntil} < ${now.toISOString()}::timestamptz)
          or ${idempotency.createdAt} < ${new Date(now.getTime() - KEY_TTL_MS).toISOString()}::timestamptz`,
      })
      .returning({ key: idempotency.key });
    if (taken.length > 0) return { kind: "mine" };
    const [row] = await db
      .select({ fingerprint: idempotency.fingerprint, answer: idempotency.answer })
      .from(idempotency)
      .where(and(eq(idempotency.tenantId, hold.tenantId), eq(idempotency.key, hold.key)));
    if (row === undefined) continue;
    return row.answer === null ? { kind: "inFlight" } : { kind: "answered", fingerprint: row.fingerprint ?? "", answer: row.answer };
  }
  return { kind: "inFlight" };
}

/** Says that the holder still works. */
export async function renewKey(db: Db, hold: KeyHold, now: Date): Promise<void> {
  await db.update(idempotency).set({ lockedUntil: new Date(now.getTime() + KEY_LOCK_MS) }).where(held(hold));
}

/** Keeps the answer, in the transaction of what it tells of. @throws AppError idempotency_in_flight when another request has the key by now */
export async function keepAnswer(tx: Db | Tx, hold: KeyHold, fingerprint: string, answer: KeptAnswer): Promise<void> {
  const kept = await tx.update(idempotency).set({ fingerprint, answer }).where(held(hold)).returning({ key: idempotency.key });
  if (kept.length === 0) throw new AppError("idempotency_in_flight", "Another request with this Idempotency-Key took over; nothing was done by this one.", { headers: { "retry-after": "1" } });
}

/** Nothing was done: the key may be used again at once. */
export async function dropKey(db: Db, hold: KeyHold): Promise<void> {
  await db.delete(idempotency).where(held(hold));
}

/** Throws away what is older than answers are kept. Returns how many. */
export async function removeOldKeys(db: Db, now: Date): Promise<number> {
  const gone = await db
    .delete(idempotency)
    .where(and(lt(idempotency.createdAt, new Date(now.getTime() - KEY_TTL_MS)), lt(idempotency.lockedUntil, now)))
    .returning({ key: idempotency.key });
  return gone.length;
}
