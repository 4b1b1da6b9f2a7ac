/** Labels change no release: they are written by themselves, within a change of settings or a deployment. */
import type { LabelsPatch } from "../../core/contract/labels.ts";
import type { Tx } from "../../core/db/client.ts";
import { writeLabels, type AppRow } from "../../core/db/queries/apps.ts";
import { writeAudit } from "../../core/db/queries/audit.ts";
import { applyLabelsPatch } from "../../core/domain/labels.ts";
import type { Actor } from "../deps.ts";

/** Undefined: they stay as they are. */
export function changedLabels(app: AppRow, patch: LabelsPatch): AppRow["labels"] | undefined {
  return Object.entries(patch).some(([key, value]) => (app.labels[key] ?? null) !== value) ? applyLabelsPatch(app.labels, patch) : undefined;
}

/** What changes labels alone has an entry of its own. */
export async function relabel(tx: Tx, actor: Actor, app: AppRow, patch: LabelsPatch, isAlone: boolean): Promise<void> {
  const labels = changedLabels(app, patch);
  if (labels === undefined) return;
  await writeLabels(tx, actor.tenantId, app.id, labels);
  if (isAlone) await writeAudit(tx, actor, "app.labels", app.id, { name: app.name }, { before: { labels: app.labels }, after: { labels } });
}
