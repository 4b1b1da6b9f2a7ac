/** What a rollout must know of runs: whether its release command has succeeded, and what still runs of an app. */
import { and, eq, inArray, isNotNull, ne, sql } from "drizzle-orm";
import type { AppId, DeploymentId } from "../../contract/ids.ts";
import type { Gate } from "../../domain/rollout.ts";
import type { Db, Tx } from "../client.ts";
import { instances, runs } from "../schema.ts";

/** Nothing where the deployment has no release command, or it has succeeded. */
export async function readGate(tx: Tx, deploymentId: DeploymentId): Promise<{ gate?: Gate }> {
  const [run] = await tx.select({ state: runs.state, failure: runs.failure }).from(runs).where(eq(runs.deploymentId, deploymentId));
  if (run === undefined || run.state === "succeeded") return {};
  if (run.state === "pending" || run.state === "running") return { gate: "closed" };
  const { detail = "It was ended.", ...more } = run.failure ?? {};
  return { gate: { ...more, code: "release_command_failed", detail: `The release command did not succeed: ${detail}` } };
}

export async function countRunning(tx: Tx, appId: AppId): Promise<number> {
  const [row] = await tx.select({ count: sql<number>`count(*)::int` }).from(instances).where(and(eq(instances.appId, appId), isNotNull(instances.runId), ne(instances.state, "gone")));
  return row?.count ?? 0;
}

/** Apps that have a run which has not ended. */
export function appsWithRuns(db: Db) {
  return db.select({ appId: runs.appId }).from(runs).where(inArray(runs.state, ["pending", "running"]));
}
