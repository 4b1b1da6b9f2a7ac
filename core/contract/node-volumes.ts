/** Volumes on the node channel: which images a node must have, and what it says of them. */
import { z } from "zod";
import { idSchema } from "./ids.ts";
import { MountPathSchema } from "./volumes.ts";

/** `PUT` with the channel's JWT: the bytes of a snapshot, with their digest. `/v1/node/snapshots/{id}`. */
export const NODE_SNAPSHOT_PATH = "/v1/node/snapshots";
/** `sha256:<hex>` of the body, and the size of the file system in it. */
export const SNAPSHOT_DIGEST_HEADER = "berth-digest";
export const SNAPSHOT_IMAGE_BYTES_HEADER = "berth-image-bytes";

/** Where a snapshot's bytes are, and how they are known to be whole. */
const SnapshotSourceSchema = z.object({
  url: z.string(),
  digest: z.string(),
  sizeBytes: z.number().int(),
  /** Of the file system in it. */
  imageBytes: z.number().int(),
});

/** One image of a volume. What is not named is left alone: only `gone` removes bytes. */
export const DesiredVolumeSchema = z.object({
  id: idSchema("volume"),
  version: z.number().int().positive(),
  /** First host id of the tenant's own 65,536: its root directory belongs to it. */
  uidBase: z.number().int(),
  /** The image grows to it; it never shrinks. */
  sizeBytes: z.number().int(),
  /** `make`: it may be made, from `source`, else empty; `keep`: it was there, and its absence is a loss; `gone`: it is removed. */
  want: z.enum(["make", "keep", "gone"]),
  source: SnapshotSourceSchema.optional(),
  /** A snapshot that is to be taken of it. `isStopped`: nothing writes to it. */
  snapshot: z.object({ id: idSchema("snapshot"), isStopped: z.boolean() }).optional(),
});
export type DesiredVolume = z.infer<typeof DesiredVolumeSchema>;

/** Where a container sees a volume. `image` null: it is not on this node, so that the container must not run. */
export const DesiredMountSchema = z.object({
  volume: z.string(),
  image: z.object({ id: idSchema("volume"), version: z.number().int().positive() }).nullable(),
  path: MountPathSchema,
  readOnly: z.boolean(),
});
export type DesiredMount = z.infer<typeof DesiredMountSchema>;

/** An image that is on the node, or that should be. */
const VolumeReportSchema = z.object({
  id: idSchema("volume"),
  version: z.number().int().positive(),
  state: z.enum(["making", "whole", "missing"]),
  /** Of the file system, and what is used of it. */
  sizeBytes: z.number().int().optional(),
  usedBytes: z.number().int().optional(),
  /** Why it is not made, grown or mounted. */
  problem: z.string().optional(),
});

export const VolumesReportSchema = z.object({
  images: z.array(VolumeReportSchema),
  /** Snapshots that cannot be taken, and why. Those that were are known by their upload. */
  failedSnapshots: z.array(z.object({ id: idSchema("snapshot"), problem: z.string() })),
});
export type VolumesReport = z.infer<typeof VolumesReportSchema>;
