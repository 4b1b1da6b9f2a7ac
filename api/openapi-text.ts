/** The OpenAPI document as it is committed. */
import { createApp, describe } from "./app.ts";
import type { Deps } from "./deps.ts";

export function openApiText(): string {
  // Describing calls no handler, so nothing that handlers work with is needed.
  const nothing = new Proxy({}, { get: () => nothing, has: () => true }) as unknown;
  return `${JSON.stringify(describe(createApp(nothing as Deps)), null, 2)}\n`;
}
