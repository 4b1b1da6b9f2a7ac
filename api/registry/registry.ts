import { Hono } from "hono";
import type { ApiEnv, Deps } from "../deps.ts";

export function createRegistry(_deps: Deps): Hono<ApiEnv> {
  return new Hono<ApiEnv>();
}
