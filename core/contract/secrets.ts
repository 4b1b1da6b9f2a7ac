/** Secrets and shared variables on the wire: names, kinds, versions. Values go in, and never come out. */
import { z } from "zod";
import { idSchema } from "./ids.ts";
import { orNull } from "./or-null.ts";
import { ENV_NAME } from "./env.ts";
import { SECRET_KINDS } from "./release-config.ts";

const time = z.iso.datetime();

/** Of a variable, a file's name below `/run/secrets/`, or the `id` of a build's mount. */
export const SECRET_NAME = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/;
export const SecretNameSchema = z.string().regex(SECRET_NAME, "a secret's name has letters, digits, «_», «.» and «-», 128 at most, and starts with no «.» or «-»");

/** A variable's length is bounded by the kernel, the others by what a node should hold in memory. */
export const SECRET_MAX_BYTES = { env: 32_768, file: 65_536, build: 65_536 } as const;
/** Of all secrets of an app, and of all shared ones, as they are sealed. */
export const SECRETS_MAX_BYTES = 131_072;
/** What a build says is searched for its secrets, to hide them: shorter ones would hide ordinary words. */
export const BUILD_SECRET_MIN_CHARS = 4;

export const SecretKindSchema = z.enum(SECRET_KINDS);

export const SecretSchema = z.object({
  name: z.string(),
  /** env: a variable; file: `/run/secrets/<name>`; build: for `RUN --mount=type=secret,id=<name>` alone. */
  kind: SecretKindSchema,
  /** Grows with every new value. */
  version: z.number().int(),
  /** Of the tenant: all of its apps get it. */
  shared: z.boolean(),
  createdAt: time,
  updatedAt: time,
}).meta({ id: "Secret" });
export type Secret = z.infer<typeof SecretSchema>;

/** Body of `PUT /v1/apps/{app}/secrets/{name}` and `PUT /v1/secrets/{name}`. */
export const SecretPutSchema = z
  .object({
    kind: SecretKindSchema,
    value: z.string().max(4 * Math.ceil(65_536 / 3)),
    /** How `value` is written; base64 for bytes that are no text. */
    encoding: z.enum(["utf8", "base64"]).default("utf8"),
  })
  .strict()
  .meta({ id: "SecretPut" });
export type SecretPut = z.infer<typeof SecretPutSchema>;

/** 202 with the deployments that roll the change out, 200 when there are none. */
export const SecretChangeSchema = z.object({
  /** Null: it was removed. */
  secret: orNull(SecretSchema),
  deployments: z.array(z.object({ id: idSchema("deployment"), app: z.string() })),
}).meta({ id: "SecretChange" });
export type SecretChange = z.infer<typeof SecretChangeSchema>;

/** Answer of `PATCH /v1/env`. */
export const SharedEnvChangeSchema = z.object({
  env: z.record(z.string(), z.string()),
  deployments: SecretChangeSchema.shape.deployments,
}).meta({ id: "SharedEnvChange" });
export type SharedEnvChange = z.infer<typeof SharedEnvChangeSchema>;

/** What is wrong with the name for its kind; undefined when nothing is. Pure. */
export function wrongSecretName(name: string, kind: (typeof SECRET_KINDS)[number]): string | undefined {
  if (kind !== "env") return undefined;
  if (!ENV_NAME.test(name)) return "A variable's name has letters, digits and _, and starts with no digit.";
  // The node must know it to probe the app.
  return name === "PORT" ? "PORT cannot be a secret: set it as a variable." : undefined;
}
