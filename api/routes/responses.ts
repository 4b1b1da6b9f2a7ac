/** Parts of route descriptions that repeat. */
import { Readable } from "node:stream";
import type { Context } from "hono";
import { bodyLimit } from "hono/body-limit";
import { z } from "zod";
import { AppError, ProblemSchema } from "../../core/contract/errors.ts";
import type { ApiEnv } from "../deps.ts";

const MAX_JSON_BYTES = 2 ** 20;

/** For routes that read a JSON body into memory. */
export const jsonLimit = bodyLimit({
  maxSize: MAX_JSON_BYTES,
  onError: () => {
    throw new AppError("payload_too_large", `A JSON body has at most ${MAX_JSON_BYTES} bytes.`);
  },
});

export function json<T extends z.ZodType>(description: string, schema: T) {
  return { description, content: { "application/json": { schema } } };
}

const PROBLEM = { description: "A problem, with a stable code", content: { "application/problem+json": { schema: ProblemSchema } } };

export const NOT_MODIFIED = { description: "It is what `If-None-Match` named" };

/** The problems that a route answers with; every route may also answer 500 and 503. */
export function problems(...statuses: number[]): Record<never, never> {
  return Object.fromEntries([...statuses, 500, 503].map((status) => [status, PROBLEM]));
}

export function body<T extends z.ZodType>(schema: T) {
  return { required: true, content: { "application/json": { schema } } } as const;
}

/** `{app}` in a path: its name, or its id. */
export const AppParam = z.object({ app: z.string().min(1).max(64) });

/** `?label=env=prod&label=!old`: one, or several. */
export const LabelQuery = z.preprocess((given) => (typeof given === "string" ? [given] : given), z.array(z.string().max(400)).max(20).optional());

export const PageQuery = z.object({
  limit: z.coerce.number().int().min(1).max(100).default(50),
  cursor: z.string().max(200).optional(),
});

/** The request's bytes as Node has them: no copy through web streams. */
export function bodyOf(c: Context<ApiEnv>): Readable {
  const incoming = (c.env as Partial<ApiEnv["Bindings"]> | undefined)?.incoming;
  if (incoming !== undefined) return incoming as Readable;
  return c.req.raw.body === null ? Readable.from([]) : Readable.fromWeb(c.req.raw.body as Parameters<typeof Readable.fromWeb>[0]);
}
