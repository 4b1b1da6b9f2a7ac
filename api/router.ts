/** Where routes of `/v1` are registered. */
import { OpenAPIHono } from "@hono/zod-openapi";
import type { ApiEnv } from "./deps.ts";
import { invalidInput } from "./problems.ts";

/** A router for routes of `/v1`: what zod refuses becomes one kind of problem everywhere. */
export function createRouter(): OpenAPIHono<ApiEnv> {
  return new OpenAPIHono<ApiEnv>({
    defaultHook: (result) => {
      if (!result.success) throw invalidInput(result.target, result.error.issues);
    },
  });
}
