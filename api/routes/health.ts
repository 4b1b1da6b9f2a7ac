/** `/healthz`: the process runs. `/readyz`: its stores answer. */
import { sql } from "drizzle-orm";
import { Hono } from "hono";
import type { ApiEnv, Deps } from "../deps.ts";

const STORE_TIMEOUT_MS = 2000;

export function createHealthRoutes(deps: Deps): Hono<ApiEnv> {
  const app = new Hono<ApiEnv>();
  app.get("/healthz", (c) => c.json({ ok: true }));
  app.get("/readyz", async (c) => {
    const [database, queue, storage] = await Promise.all([
      answers(deps.db.execute(sql`select 1`)),
      answers(deps.redis.ping()),
      answers(deps.blobs.head("readyz")),
    ]);
    const ok = database && queue && storage;
    return c.json({ ok, database, queue, storage }, ok ? 200 : 503);
  });
  return app;
}

async function answers(question: PromiseLike<unknown>): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<boolean>((resolve) => (timer = setTimeout(resolve, STORE_TIMEOUT_MS, false)));
  try {
    return await Promise.race([Promise.resolve(question).then(() => true), late]);
  } catch {
    return false;
  } finally {
    clearTimeout(timer);
  }
}
