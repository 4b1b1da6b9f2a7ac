/** Where routes of `/v1` are registered. */
import { OpenAPIHono } from "@hono/zod-openapi";
import type { ApiEnv } from "./deps.ts";
import { invalid, invalidInput, type Issues } from "./problems.ts";

/** For routes whose `name` is no part of a URL: what is wrong with it is a wrong request like any other. */
export function freeNames(result: { success: boolean; error?: { issues: Issues } }): undefined {
  if (result.error !== undefined) throw invalid("invalid_request", result.error.issues);
}

/** A router for routes of `/v1`: what zod refuses becomes one kind of problem everywhere. */
export function createRouter(): OpenAPIHono<ApiEnv> {
  return new OpenAPIHono<ApiEnv>({
    defaultHook: (result) => {
      if (!result.success) throw invalidInput(result.target, result.error.issues);
    },
  });
}
