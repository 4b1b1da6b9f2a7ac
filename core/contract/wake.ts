/**
 * Waking an instance: `POST <url>/wake/<instance id>` with `Authorization: Bearer <token>`, from a gateway to the agent
 * that has it, without the API between them. The answer comes when the instance takes requests.
 */
import { z } from "zod";
import { TEMPERATURES } from "../domain/temperature.ts";

/** Address and secret of a node's agent: they allow to wake its instances and nothing else. */
export const WakeAddressSchema = z.object({ url: z.url({ protocol: /^http$/ }), token: z.string().min(16) });
export type WakeAddress = z.infer<typeof WakeAddressSchema>;

export const wakePath = (instanceId: string) => `/wake/${instanceId}`;

/** 200. 404: the agent does not have it; 503: it did not start, `detail` says why. */
export const WokenSchema = z.object({ was: z.enum(TEMPERATURES), address: z.ipv4(), port: z.number().int(), ms: z.number() });
export type Woken = z.infer<typeof WokenSchema>;
