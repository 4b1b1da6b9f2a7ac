/**
 * Sessions into a running instance: a program beside the app, or a connection to one of its ports.
 *
 * Client ↔ API: a WebSocket at `GET /v1/apps/{app}/instances/{instance}/exec`, whose first message is a `SessionStart`,
 * or at `…/ports/{port}`, which needs none. Binary messages carry bytes: to the API input, from it output behind one
 * byte that says which stream (1 or 2). Text messages are JSON: `ClientEvent` to the API, `ServerEvent` from it.
 *
 * API ↔ node: `session` messages of the node's channel. Each side sends at most `SESSION_WINDOW_BYTES` that the other
 * has not given credit for, so that no session fills anybody's memory or holds up what else the channel carries.
 */
import { z } from "zod";
import { ErrorCodeSchema } from "./errors.ts";
import { ContainerRefSchema } from "./pods.ts";

export const SESSION_WINDOW_BYTES = 128 * 1024;
/** Of bytes in one message to or from a node. */
export const SESSION_CHUNK_BYTES = 32 * 1024;

const SizeSchema = z.object({ columns: z.number().int().min(1).max(1000), rows: z.number().int().min(1).max(1000) });
const TerminalSchema = SizeSchema.extend({ term: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9+._-]{0,63}$/).default("xterm") });
export type TerminalSize = z.infer<typeof SizeSchema>;

const ExecSchema = z.object({
  /** The program, looked for in the app's PATH, and its arguments. */
  args: z.array(z.string().max(32_768).refine((word) => !word.includes("\0"), "an argument has no NUL byte")).min(1).max(256),
  /** Beside which of the instance's containers; absent: the app's own. */
  container: ContainerRefSchema.optional(),
  /** Null: three pipes. */
  terminal: TerminalSchema.nullable().default(null),
});

export const SessionTargetSchema = z.discriminatedUnion("kind", [
  ExecSchema.extend({ kind: z.literal("exec") }),
  z.object({ kind: z.literal("port"), port: z.number().int().min(1).max(65_535) }),
]);
export type SessionTarget = z.infer<typeof SessionTargetSchema>;

const ProblemSchema = z.object({ code: ErrorCodeSchema, detail: z.string() });
export type SessionProblem = z.infer<typeof ProblemSchema>;
const EndSchema = z.object({ type: z.literal("end") });
const ResizeSchema = SizeSchema.extend({ type: z.literal("resize") });
const OpenedSchema = z.object({ type: z.literal("opened") });
/** Of a port: 0. */
const ExitSchema = z.object({ type: z.literal("exit"), code: z.number().int() });
const BrokenSchema = ProblemSchema.extend({ type: z.literal("problem") });

/** `end`: no more input. */
export const ClientEventSchema = z.discriminatedUnion("type", [ExecSchema.extend({ type: z.literal("start") }), ResizeSchema, EndSchema]);
export type ClientEvent = z.infer<typeof ClientEventSchema>;
/** After `exit` or `problem` nothing comes. */
export const ServerEventSchema = z.discriminatedUnion("type", [OpenedSchema, ExitSchema, BrokenSchema]);
export type ServerEvent = z.infer<typeof ServerEventSchema>;

const CreditSchema = z.object({ type: z.literal("credit"), bytes: z.number().int().positive() });
const bytes = z.base64().max(2 * SESSION_CHUNK_BYTES);

/** API → node. */
export const SessionDownSchema = z.discriminatedUnion("type", [z.object({ type: z.literal("data"), data: bytes }), CreditSchema, ResizeSchema, EndSchema]);
export type SessionDown = z.infer<typeof SessionDownSchema>;
/** Node → API. */
export const SessionUpSchema = z.discriminatedUnion("type", [
  OpenedSchema,
  z.object({ type: z.literal("data"), stream: z.union([z.literal(1), z.literal(2)]), data: bytes }),
  CreditSchema,
  ExitSchema,
  BrokenSchema,
]);
export type SessionUp = z.infer<typeof SessionUpSchema>;

export const isLast = (event: SessionUp) => event.type === "exit" || event.type === "problem";
