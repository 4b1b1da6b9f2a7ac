import type { Deps } from "../deps.ts";
import { createRouter } from "../router.ts";

export function createAppRoutes(_deps: Deps) {
  return createRouter();
}
