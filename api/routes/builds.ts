import type { Deps } from "../deps.ts";
import { createRouter } from "../router.ts";

export function createBuildRoutes(_deps: Deps) {
  return createRouter();
}
