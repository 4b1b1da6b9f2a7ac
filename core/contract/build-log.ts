/** Lines of a build's log: live in a Redis stream, afterwards gzip NDJSON in the blob store. */
import { z } from "zod";

export const BuildLogEntrySchema = z.object({
  /** 1-based and without gaps within a build; the SSE event id. */
  seq: z.number().int().positive(),
  time: z.iso.datetime(),
  /** Step of the Dockerfile that spoke, 1-based; 0 for Berth's own lines. */
  step: z.number().int().nonnegative(),
  stream: z.enum(["stdout", "stderr", "system"]),
  text: z.string(),
}).meta({ id: "BuildLogEntry" });
export type BuildLogEntry = z.infer<typeof BuildLogEntrySchema>;

/** Redis stream of a live build. Entry id `<seq>-0`; one field `e` with the entry as JSON. A last entry has the field `end`. */
export const buildLogStreamKey = (redisPrefix: string, buildId: string) => `${redisPrefix}build-log:${buildId}`;
/** Blob store key of a finished build's log. */
export const buildLogArchiveKey = (tenantId: string, buildId: string) => `logs/builds/${tenantId}/${buildId}.ndjson.gz`;
