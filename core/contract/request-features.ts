/** What the gateway does with an app's requests on their way: `docs/http.md`. All off by default. */
import { z } from "zod";
import { orNull } from "./or-null.ts";

/** Of one page, in UTF-8: HAProxy builds an answer in one buffer. */
const PAGE_MAX_BYTES = 8192;

const AddressRangeSchema = z.union([z.ipv4(), z.cidrv4(), z.ipv6(), z.cidrv6()], { error: "is an address or a range, as 192.0.2.7, 10.0.0.0/8 or 2001:db8::/32" });

export const RateLimitSchema = z
  .object({
    requests: z.number().int().min(1).max(1_000_000),
    periodMs: z.number().int().min(100).max(86_400_000),
    /** Each client's address by itself (of IPv6 its /64), or the app's requests together. Each gateway counts for itself. */
    by: z.enum(["address", "app"]).default("address"),
  })
  .strict()
  .meta({ id: "RateLimit" });

/** The password is never here: `sha256:<salt>:<SHA-256 of salt and password>`, all in hexadecimal digits. */
export const BasicAuthSchema = z
  .object({
    user: z.string().min(1).max(128).regex(/^[^:\x00-\x1f\x7f]+$/, "a user's name has no colon and no control character"),
    passwordHash: z.string().regex(/^sha256:[0-9a-f]{32}:[0-9a-f]{64}$/, "is «sha256:», a salt of 32 hexadecimal digits, «:», and the SHA-256 of salt and password"),
  })
  .strict()
  .meta({ id: "BasicAuth" });

const PageSchema = z.string().min(1).refine((html) => new TextEncoder().encode(html).length <= PAGE_MAX_BYTES, `a page has at most ${PAGE_MAX_BYTES} bytes`);

const fields = {
  /** What the app speaks: HTTP/2 without TLS (`h2c`) is what gRPC needs. Clients use either, whatever the app speaks. */
  protocol: z.enum(["http1", "h2c"]),
  /** gzip for text that the app did not compress itself. */
  compression: z.boolean(),
  /** Clients come back to the same instance, by a cookie, while it runs. */
  sticky: z.boolean(),
  /** A WebSocket over which nothing comes for so long is closed; an hour without it. */
  socketIdleMs: z.number().int().min(1000).max(86_400_000),
  rateLimit: RateLimitSchema,
  /** Others get 403. */
  allowFrom: z.array(AddressRangeSchema).min(1).max(100),
  basicAuth: BasicAuthSchema,
  /** HTML in place of the gateway's own, by status. 503: also while it is under maintenance. */
  errorPages: z.object({ "502": PageSchema, "503": PageSchema, "504": PageSchema }).partial().strict(),
};

export const RequestFeaturesSchema = z.object(fields).partial().strict().meta({ id: "RequestFeatures" });

/** Only what is named changes, as a whole; null takes it away. */
export const RequestFeaturesPatchSchema = z
  .object({
    protocol: fields.protocol.nullable(),
    compression: fields.compression.nullable(),
    sticky: fields.sticky.nullable(),
    socketIdleMs: fields.socketIdleMs.nullable(),
    rateLimit: orNull(fields.rateLimit),
    allowFrom: fields.allowFrom.nullable(),
    basicAuth: orNull(fields.basicAuth),
    errorPages: fields.errorPages.nullable(),
  })
  .partial()
  .strict();

/** A switch of the app, not of a release: all requests are answered 503 while it is on. */
export const MaintenanceSchema = z.object({ retryAfterS: z.number().int().min(1).max(86_400).default(300) }).strict().meta({ id: "Maintenance" });
export type Maintenance = z.infer<typeof MaintenanceSchema>;
