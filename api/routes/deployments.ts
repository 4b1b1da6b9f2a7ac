import type { Deps } from "../deps.ts";
import { createRouter } from "../router.ts";

export function createDeploymentRoutes(_deps: Deps) {
  return createRouter();
}
