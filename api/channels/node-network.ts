/** The private network's part of the node channel: each node knows the apps of the tenants that it has, whole and when they change. */
import type { AppId, NodeId } from "../../core/contract/ids.ts";
import { wakeApp } from "../../core/db/system-queries/scaling.ts";
import { nodesThatSee, readPrivateNetwork } from "../../core/db/system-queries/private-network.ts";
import type { Deps } from "../deps.ts";
import { parseId } from "../../core/contract/ids.ts";

/** Behind the bells: nodes that came and went, too. */
const LOOK_EVERY_MS = 10_000;

type NetworkDeps = Pick<Deps, "db" | "bells" | "log" | "clock">;

/** What was said last is said again only when it has changed: `said` is that, `send` says whether it went out. */
export async function sendNetwork({ db, clock }: NetworkDeps, nodeId: NodeId, entry: { said: string }, send: (text: string) => boolean): Promise<void> {
  const text = JSON.stringify(await readPrivateNetwork(db, nodeId, clock()));
  if (text !== entry.said && send(text)) entry.said = text;
}

/** Has nodes looked at whose tenants' apps have changed, and all from time to time. */
export function watchNetworks(deps: NetworkDeps, look: (nodeId: NodeId | "all") => void): () => void {
  const failed = (error: unknown) => deps.log.warn({ err: error }, "nodes that see a change were not found");
  const stop = deps.bells.listen("route", (id) => {
    const appId = parseId("app", id);
    if (appId !== undefined) nodesThatSee(deps.db, appId).then((found) => found.forEach(look), failed);
  });
  const timer = setInterval(look, LOOK_EVERY_MS, "all");
  return () => {
    clearInterval(timer);
    stop();
  };
}

/** An instance of the app's tenant has asked for it by name. A node speaks for the tenants that it has, and for no other. */
export async function wakeForNode({ db, bells, clock, log }: NetworkDeps, nodeId: NodeId, appId: AppId): Promise<void> {
  try {
    if (!(await nodesThatSee(db, appId)).includes(nodeId)) return;
    await wakeApp(db, appId, clock());
    bells.ring("reconcile", appId);
  } catch (error) {
    log.warn({ err: error, appId }, "an app was not woken");
  }
}
