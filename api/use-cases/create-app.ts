/** `POST /v1/apps`. */
import type { z } from "zod";
import type { App, AppCreateSchema } from "../../core/contract/api.ts";
import { AppError } from "../../core/contract/errors.ts";
import { newId } from "../../core/contract/ids.ts";
import { SettingsSchema } from "../../core/contract/release-config.ts";
import { insertApp } from "../../core/db/queries/apps.ts";
import { requireRoom } from "../../core/db/queries/quota.ts";
import { writeAudit } from "../../core/db/queries/audit.ts";
import { applySettingsPatch } from "../../core/domain/settings.ts";
import type { Actor, Deps } from "../deps.ts";
import { keepInside } from "../idempotency.ts";
import { toApp } from "../views/app.ts";
import { requireAppDetails, requireWholeTenant } from "./require.ts";

/** @throws AppError forbidden, name_taken, quota_exceeded */
export async function createApp(deps: Deps, actor: Actor, input: z.infer<typeof AppCreateSchema>): Promise<App> {
  requireWholeTenant(actor);
  const settings = applySettingsPatch(SettingsSchema.parse({}), input.settings);
  const id = newId("app");
  const made = await deps.db.transaction(async (tx) => {
    await requireRoom(tx, actor.tenantId, "apps", 1);
    const isNew = await insertApp(tx, { id, tenantId: actor.tenantId, name: input.name, settings, env: input.env, labels: input.labels });
    if (!isNew) throw new AppError("name_taken", `${actor.tenantName} has an app «${input.name}» already.`);
    await writeAudit(tx, actor, "app.create", id, { name: input.name, env: Object.keys(input.env) }, { after: { settings, labels: input.labels } });
    const app = toApp(await requireAppDetails(tx, actor, id), actor, deps.config);
    await keepInside(tx, actor, { status: 201, location: `/v1/apps/${app.name}`, body: app });
    return app;
  });
  // The gateway learns the host, so that it can say «nothing deployed yet».
  deps.bells.ring("route", id);
  return made;
}
