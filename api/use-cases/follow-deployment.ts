/** `GET /v1/deployments/{id}/events`: the deployment each time it looks different, until it has ended. */
import type { Deployment } from "../../core/contract/api.ts";
import { AppError } from "../../core/contract/errors.ts";
import { isDatabaseUnavailable } from "../../core/db/unavailable.ts";
import type { Actor, Deps } from "../deps.ts";
import { toDeployment } from "../views/deployment.ts";
import { requireDeployment } from "./require-deployment.ts";

/** Behind the bell: phases of instances ring none, and Redis may be away. */
const LOOK_EVERY_MS = 1000;

const ENDED = new Set<Deployment["state"]>(["live", "failed", "cancelled"]);

/** @throws AppError not_found */
export async function getDeployment(deps: Deps, actor: Actor, id: string): Promise<Deployment> {
  return toDeployment(await requireDeployment(deps.db, actor, id), actor, deps.config);
}

/** Begins with `first`. Ends after an end state, with the signal, or when the app was destroyed. */
export async function* followDeployment(deps: Deps, actor: Actor, first: Deployment, signal: AbortSignal): AsyncGenerator<Deployment> {
  let wake = () => {};
  let rung = false;
  const stop = deps.bells.listen("deployment", (id) => {
    if (id !== first.id) return;
    rung = true;
    wake();
  });
  signal.addEventListener("abort", () => wake());
  try {
    let shown = "";
    for (let latest: Deployment | undefined = first; !signal.aborted; latest = await look(deps, actor, first.id)) {
      const text = JSON.stringify(latest);
      if (latest !== undefined && text !== shown) yield latest;
      shown = latest === undefined ? shown : text;
      if (latest !== undefined && ENDED.has(latest.state)) return;
      if (!rung && !signal.aborted) {
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, LOOK_EVERY_MS);
          wake = () => {
            clearTimeout(timer);
            resolve();
          };
        });
      }
      rung = false;
    }
  } catch (error) {
    if (!(error instanceof AppError && error.code === "not_found")) throw error;
  } finally {
    stop();
  }
}

/** Undefined while the database is away: who watches stays connected. */
async function look(deps: Deps, actor: Actor, id: string): Promise<Deployment | undefined> {
  try {
    return await getDeployment(deps, actor, id);
  } catch (error) {
    if (isDatabaseUnavailable(error)) return undefined;
    throw error;
  }
}
