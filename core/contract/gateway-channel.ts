/**
 * The gateway channel: one WebSocket that a gateway's controller opens to `GET /v1/gateway/channel`
 * (`Authorization: Bearer <gateway token>`). After `hello` the API sends one `routes-snapshot`, then a
 * `route` for each app that changes. Each message carries the whole state of what it names.
 */
import { z } from "zod";
import { TEMPERATURES } from "../domain/temperature.ts";
import { idSchema } from "./ids.ts";
import { MaintenanceSchema, RequestFeaturesSchema } from "./request-features.ts";
import { PINS } from "./strategy.ts";
import { WakeAddressSchema } from "./wake.ts";

export const GATEWAY_CHANNEL_PATH = "/v1/gateway/channel";

export const EndpointSchema = z.object({
  instanceId: idSchema("instance"),
  address: z.ipv4(),
  port: z.number().int(),
  /** Where it is woken, if it may sleep, and whether it slept when this was said. */
  wake: WakeAddressSchema.optional(),
  temperature: z.enum(TEMPERATURES).optional(),
  /** What it speaks; HTTP/1.1 without it. */
  protocol: z.literal("h2c").optional(),
});
export type Endpoint = z.infer<typeof EndpointSchema>;

const CanarySchema = z.object({
  /** Its own hosts lead to it alone. */
  hosts: z.array(z.string()),
  endpoints: z.array(EndpointSchema),
  /** Of the app's requests. */
  percent: z.number().min(0).max(100),
  /** Names of this release and of the live one, by which a request may choose. */
  name: z.string(),
  liveName: z.string(),
  pin: z.array(z.enum(PINS)),
  requestTimeoutMs: z.number().int(),
  concurrency: z.number().int(),
});

/** Where the requests of one app go. */
export const RouteSchema = z.object({
  appId: idSchema("app"),
  /** Host names without port, lower case. Empty: the app is gone. */
  hosts: z.array(z.string()),
  /** Instances that take new requests. */
  endpoints: z.array(EndpointSchema),
  /** Instances that get no new request; the gateway says `drained` when their last one has ended. */
  draining: z.array(EndpointSchema),
  requestTimeoutMs: z.number().int(),
  /** Requests that one endpoint gets at the same time; more wait in the gateway's queue. */
  concurrency: z.number().int(),
  /** How long a request is held while the app has no endpoint; 0 answers 503 at once. */
  holdTimeoutMs: z.number().int(),
  /** Its instances sleep when they were not asked for so long; absent: they do not. */
  freezeAfterMs: z.number().int().positive().optional(),
  /** Of the gateway's own: what it made of `canary`, which has a backend of its own. */
  part: z.literal("canary").optional(),
  /** A release on its way that gets a share of the requests. */
  canary: CanarySchema.optional(),
  /** What is answered by its instances is counted by instance, and said as `served`. */
  watched: z.boolean().optional(),
  /** Its number of instances does: gateways say its `load`. */
  followsDemand: z.boolean().optional(),
  /** What is done with its requests; absent: nothing. */
  http: RequestFeaturesSchema.omit({ protocol: true }).optional(),
  /** All requests are answered 503. */
  maintenance: MaintenanceSchema.optional(),
});
export type Route = z.infer<typeof RouteSchema>;

/** API → gateway. */
export const ToGatewaySchema = z.discriminatedUnion("type", [
  z.object({ type: z.literal("routes-snapshot"), routes: z.array(RouteSchema) }),
  z.object({ type: z.literal("route"), route: RouteSchema }),
  /** All `counts` up to this one are in the ledger. The first word after a `hello` that named the incarnation. */
  z.object({ type: z.literal("counted"), incarnation: z.string(), sequence: z.number().int() }),
]);
export type ToGateway = z.infer<typeof ToGatewaySchema>;

/** Requests of one app since the last message, from HAProxy's own counters. */
export const AppCountsSchema = z.object({
  appId: idSchema("app"),
  requests: z.number().int(),
  responses2xx: z.number().int(),
  responses4xx: z.number().int(),
  responses5xx: z.number().int(),
  bytesIn: z.number().int(),
  bytesOut: z.number().int(),
  /** Requests in flight or queued now. */
  inFlight: z.number().int(),
});
export type AppCounts = z.infer<typeof AppCountsSchema>;

/** What goes on at one app now. */
export const AppLoadSchema = AppCountsSchema.pick({ appId: true, requests: true, inFlight: true });
export type AppLoad = z.infer<typeof AppLoadSchema>;

/** Gateway → API. */
export const FromGatewaySchema = z.discriminatedUnion("type", [
  z.object({ type: z.literal("hello"), version: z.string(), /** Of its counts; absent: it counts nothing. */ incarnation: z.string().max(64).optional() }),
  /** These get no request from this gateway any more and hold none: safe to stop. */
  z.object({ type: z.literal("drained"), instanceIds: z.array(idSchema("instance")) }),
  /** `sequence` grows by one a message within an incarnation, so that a repeated one is not counted twice. `periodMs`: the time that it is of. */
  z.object({ type: z.literal("counts"), incarnation: z.string().min(1).max(64), sequence: z.number().int().positive(), periodMs: z.number().int().nonnegative(), apps: z.array(AppCountsSchema) }),
  /** Requests to instances that are watched, and those of them that failed: sums since `process` began. */
  z.object({ type: z.literal("served"), process: z.string().min(1).max(128), instances: z.array(z.object({ instanceId: idSchema("instance"), requests: z.number().int().nonnegative(), errors: z.number().int().nonnegative() })).max(1000) }),
  /** For the autoscaler, of apps whose load has changed. Nobody counts it, and what is lost is said again. `requests` are of `periodMs`. */
  z.object({ type: z.literal("load"), periodMs: z.number().int().nonnegative(), apps: z.array(AppLoadSchema) }),
  /** A request is being held for this app; these instances of it could not be woken. */
  z.object({ type: z.literal("wanted"), appId: idSchema("app"), notWoken: z.array(idSchema("instance")).max(1000).optional() }),
]);
export type FromGateway = z.infer<typeof FromGatewaySchema>;
