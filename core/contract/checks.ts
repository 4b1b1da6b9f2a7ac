/** How a node asks an app whether it is well, and what it does before it stops one. */
import { z } from "zod";

const path = z.string().startsWith("/").max(1024).regex(/^[\x21-\x7e]+$/);
const command = z.array(z.string().max(4096).refine((word) => !word.includes("\0"), "a word has no NUL byte")).min(1).max(64);

const tcp = z.object({ kind: z.literal("tcp") }).strict();
const http = z.object({ kind: z.literal("http"), path }).strict();
const exec = z.object({ kind: z.literal("exec"), command }).strict();

const pace = {
  periodMs: z.number().int().min(500).max(3_600_000).default(10_000),
  timeoutMs: z.number().int().min(100).max(60_000).default(2000),
  /** So many in a row that failed. */
  failures: z.number().int().min(1).max(100).default(3),
};

/** After the start: an instance that fails gets no requests, and goes on running, until so many in a row are well. */
export const RecheckSchema = z.object({ ...pace, successes: z.number().int().min(1).max(100).default(1) }).strict().meta({ id: "Recheck" });

/**
 * tcp: the port accepts; http: GET on the port answers 200 to 399; exec: the program, run beside the app with its rights,
 * ends with 0. Without `recheck` it is asked until it is ready, and no more.
 */
export const ReadinessSchema = z.discriminatedUnion("kind", [
  tcp.extend({ recheck: RecheckSchema.optional() }),
  http.extend({ recheck: RecheckSchema.optional() }),
  exec.extend({ recheck: RecheckSchema.optional() }),
]);

/** Asked while the app is ready: one that fails is stopped in order and started again. */
export const LivenessSchema = z.discriminatedUnion("kind", [tcp.extend(pace), http.extend(pace), exec.extend(pace)]);

/** Before the stop signal, within the grace time: a program beside the app, or a GET to it. */
export const PreStopSchema = z.discriminatedUnion("kind", [http, exec]);

export type Check = z.infer<typeof tcp> | z.infer<typeof http> | z.infer<typeof exec>;
