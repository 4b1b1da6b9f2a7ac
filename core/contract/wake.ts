/**
 * Waking instances: a gateway opens one lasting WebSocket to the agent of each node that it needs (`GET <url>/wake`, with
 * `Authorization: Bearer <token>`) and asks; the API is not between them. JSON text messages.
 */
import { z } from "zod";
import { TEMPERATURES } from "../domain/temperature.ts";
import { idSchema } from "./ids.ts";

/** Address and secret of a node's agent: they allow to wake its instances and nothing else. */
export const WakeAddressSchema = z.object({ url: z.url({ protocol: /^http$/ }), token: z.string().min(16) });
export type WakeAddress = z.infer<typeof WakeAddressSchema>;

export const WAKE_PATH = "/wake";

/** Gateway → agent. Asking again for one that is being woken is answered once more. */
export const ToWakerSchema = z.object({ wake: idSchema("instance") });
export type ToWaker = z.infer<typeof ToWakerSchema>;

/**
 * Agent → gateway. begun: it takes longer than a moment, and is being done; woken: it takes requests now; failed: it did not
 * start, or is not there.
 */
export const FromWakerSchema = z.discriminatedUnion("type", [
  z.object({ type: z.literal("begun"), instanceId: idSchema("instance") }),
  z.object({ type: z.literal("woken"), instanceId: idSchema("instance"), was: z.enum(TEMPERATURES), address: z.ipv4(), port: z.number().int(), ms: z.number() }),
  z.object({ type: z.literal("failed"), instanceId: idSchema("instance"), detail: z.string() }),
]);
export type FromWaker = z.infer<typeof FromWakerSchema>;
export type Woken = Pick<Extract<FromWaker, { type: "woken" }>, "was" | "address" | "port">;
