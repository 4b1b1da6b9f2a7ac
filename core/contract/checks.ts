/** How a node asks an app whether it is well, and what it does before it stops one. */
import { z } from "zod";

const path = z.string().startsWith("/").max(1024).regex(/^[\x21-\x7e]+$/);
const command = z.array(z.string().max(4096).refine((word) => !word.includes("\0"), "a word has no NUL byte")).min(1).max(64);
/** In place of the app's own. */
const port = z.number().int().min(1).max(65_535).optional();

const tcp = z.object({ kind: z.literal("tcp"), port }).strict();
const http = z.object({ kind: z.literal("http"), path, port }).strict();
/** `service`: as its health service knows it; without it the server as a whole. */
const grpc = z.object({ kind: z.literal("grpc"), port, service: z.string().max(256).regex(/^[\x21-\x7e]*$/).optional() }).strict();
const exec = z.object({ kind: z.literal("exec"), command }).strict();

const pace = {
  periodMs: z.number().int().min(500).max(3_600_000).default(10_000),
  timeoutMs: z.number().int().min(100).max(60_000).default(2000),
  /** So many in a row that failed. */
  failures: z.number().int().min(1).max(100).default(3),
};
const startupPace = { ...pace, failures: z.number().int().min(1).max(1000).default(30) };

/** After the start: an instance that fails gets no requests, and goes on running, until so many in a row are well. */
export const RecheckSchema = z.object({ ...pace, successes: z.number().int().min(1).max(100).default(1) }).strict().meta({ id: "Recheck" });
const recheck = { recheck: RecheckSchema.optional() };

/**
 * tcp: the port accepts; http: GET on the port answers 200 to 399; grpc: `grpc.health.v1.Health/Check` on the port answers
 * SERVING; exec: the program, run beside the app with its rights, ends with 0. Without `recheck` it is asked until it is
 * ready, and no more.
 */
export const ReadinessSchema = z.discriminatedUnion("kind", [tcp.extend(recheck), http.extend(recheck), grpc.extend(recheck), exec.extend(recheck)]);

/** Asked while the app is ready: one that fails is stopped in order and started again. */
export const LivenessSchema = z.discriminatedUnion("kind", [tcp.extend(pace), http.extend(pace), grpc.extend(pace), exec.extend(pace)]);

/**
 * Asked from the start on, before all other checks, until it is well once: `failures` × `periodMs` is how long that may
 * take. It is asked more often than that at first.
 */
export const StartupSchema = z.discriminatedUnion("kind", [tcp.extend(startupPace), http.extend(startupPace), grpc.extend(startupPace), exec.extend(startupPace)]);
export type Startup = z.infer<typeof StartupSchema>;

/** Before the stop signal, within the grace time: a program beside the app, or a GET to it. */
export const PreStopSchema = z.discriminatedUnion("kind", [http, exec]);

export type Check = z.infer<typeof tcp> | z.infer<typeof http> | z.infer<typeof grpc> | z.infer<typeof exec>;
