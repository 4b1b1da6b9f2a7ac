/**
 * Ids are TypeIDs: a prefix that names the kind and a UUIDv7 in base 32, so that they sort by time.
 * Source: https://github.com/jetify-com/typeid/tree/main/spec
 * They are branded per kind; a plain string becomes an id only at a border, through `parseId`.
 */
import { TypeID, typeid } from "typeid-js";
import { z } from "zod";

const PREFIXES = {
  tenant: "ten",
  user: "usr",
  session: "ses",
  login: "lgn",
  invite: "inv",
  token: "tok",
  trust: "tru",
  domain: "dom",
  secret: "sec",
  app: "app",
  build: "bld",
  deployment: "dep",
  release: "rel",
  instance: "ins",
  node: "nod",
  gateway: "gwy",
  upload: "upl",
  volume: "vol",
  snapshot: "snp",
  operation: "opn",
  job: "job",
  run: "run",
  audit: "aud",
  request: "req",
} as const;

export type IdKind = keyof typeof PREFIXES;
export type Id<K extends IdKind> = string & { readonly __kind: K };

export type TenantId = Id<"tenant">;
export type AppId = Id<"app">;
export type BuildId = Id<"build">;
export type DeploymentId = Id<"deployment">;
export type ReleaseId = Id<"release">;
export type InstanceId = Id<"instance">;
export type NodeId = Id<"node">;
export type JobId = Id<"job">;
export type RunId = Id<"run">;

/** A new id of the kind. Not pure: it reads the clock and random bytes. */
export function newId<K extends IdKind>(kind: K): Id<K> {
  return typeid(PREFIXES[kind]).toString() as string as Id<K>;
}

/** When the id was made. */
export function timeOfId(id: Id<IdKind>): Date {
  const bytes = TypeID.fromString(id).toUUIDBytes();
  return new Date(Buffer.from(bytes).readUIntBE(0, TIME_BYTES));
}

/** The least id of the kind that can be made at that moment: for reading a span of time from an index of ids. */
export function firstIdAt<K extends IdKind>(kind: K, at: Date): Id<K> {
  const bytes = Buffer.alloc(16);
  bytes.writeUIntBE(Math.min(Math.max(0, at.getTime()), 2 ** 48 - 1), 0, TIME_BYTES);
  return TypeID.fromUUIDBytes(PREFIXES[kind], bytes).toString() as string as Id<K>;
}
/** A UUIDv7 begins with milliseconds since 1970. */
const TIME_BYTES = 6;

const SUFFIX = /^[0-7][0-9a-hjkmnp-tv-z]{25}$/;

/** `text` as an id of the kind, or undefined when it is not one. */
export function parseId<K extends IdKind>(kind: K, text: string): Id<K> | undefined {
  const prefix = `${PREFIXES[kind]}_`;
  return text.startsWith(prefix) && SUFFIX.test(text.slice(prefix.length)) ? (text as Id<K>) : undefined;
}

/** The zod schema of an id of the kind: a pattern, so that descriptions of the API can show it. */
export function idSchema<K extends IdKind>(kind: K): z.ZodType<Id<K>, Id<K>> {
  const pattern = new RegExp(`^${PREFIXES[kind]}_${SUFFIX.source.slice(1)}`);
  const schema = z.string().regex(pattern, { message: `must be an id that starts with «${PREFIXES[kind]}_»` });
  return schema as unknown as z.ZodType<Id<K>, Id<K>>;
}
