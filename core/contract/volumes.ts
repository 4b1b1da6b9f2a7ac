/** Volumes: what an app mounts, and what is said of them on the wire. */
import { z } from "zod";
import { FailureSchema } from "./errors.ts";
import { idSchema } from "./ids.ts";
import { orNull } from "./or-null.ts";
import { DNS_LABEL } from "../domain/names.ts";
import { OPERATION_STATES, OPERATION_KINDS, SNAPSHOT_REASONS, SNAPSHOT_STATES } from "../domain/volume-states.ts";

const time = z.iso.datetime();
const MIB = 2 ** 20;
/** Below this a file system has hardly room for itself. */
const MIN_BYTES = 16 * MIB;
const MAX_BYTES = 16 * 2 ** 40;

export const VolumeNameSchema = z
  .string()
  .min(1)
  .max(40)
  .regex(DNS_LABEL, "a volume's name has lower-case letters, digits and single hyphens, starting with a letter or digit");
/** Whole MiB: a file system ends at a block. */
export const VolumeSizeSchema = z.number().int().min(MIN_BYTES).max(MAX_BYTES).refine((bytes) => bytes % MIB === 0, "is a multiple of 1 MiB");

/** Where the kernel, Berth or the image's own system has something. */
const RESERVED = /^\/(?:(?:proc|sys|dev|run\/secrets|etc\/(?:hosts|hostname|resolv\.conf|passwd|group|mtab))(?:\/|$)|(?:bin|sbin|lib|lib64|usr|etc|run)$)/;
export const MountPathSchema = z
  .string()
  .max(1024)
  .regex(/^(?:\/[^/\0]+)+$/, "is an absolute path, without a slash at its end")
  .refine((path) => !path.split("/").some((part) => part === "." || part === ".."), "has no . and .. in it")
  .refine((path) => !RESERVED.test(path), "is taken by the system of the container");

export const MountSchema = z
  .object({
    volume: VolumeNameSchema,
    path: MountPathSchema,
    readOnly: z.boolean().default(false),
    /** Several instances may write at the same time, those of two releases among them. Without it one instance runs at a time. */
    shared: z.boolean().default(false),
    /** Made with this size, if the app has no such volume. */
    sizeBytes: VolumeSizeSchema.optional(),
  })
  .strict()
  .meta({ id: "Mount" });
export type Mount = z.infer<typeof MountSchema>;

/** A directory on the node's disk, empty when the instance comes and gone with it. */
export const ScratchSchema = z.object({ path: MountPathSchema, sizeBytes: VolumeSizeSchema }).strict().meta({ id: "Scratch" });
export type Scratch = z.infer<typeof ScratchSchema>;

export const MountsSchema = z.array(MountSchema).max(16);
export const ScratchListSchema = z.array(ScratchSchema).max(8);

export const VolumeSchema = z.object({
  id: idSchema("volume"),
  app: z.string(),
  name: z.string(),
  sizeBytes: z.number().int(),
  /** Of the file system, as its node last said; null while there is none. It follows `sizeBytes` at once, or at the app's next start. */
  actualSizeBytes: z.number().int().nullable(),
  usedBytes: z.number().int().nullable(),
  /** The one node that has it; null until an instance first mounts it. */
  node: z.string().nullable(),
  /** `new`: nothing was stored yet; `node-lost`: its node is away; `deleting`: until its node has removed it. */
  state: z.enum(["new", "ready", "node-lost", "deleting"]),
  /** Why its node cannot offer it. */
  problem: orNull(FailureSchema),
  /** What is being done with it. */
  operation: z.object({ id: idSchema("operation"), kind: z.enum(OPERATION_KINDS), state: z.enum(OPERATION_STATES) }).nullable(),
  /** Paths of the live release that show it. */
  mounts: z.array(z.object({ path: z.string(), readOnly: z.boolean() })),
  lastSnapshotAt: time.nullable(),
  createdAt: time,
}).meta({ id: "Volume" });
export type Volume = z.infer<typeof VolumeSchema>;

export const VolumeCreateSchema = z.object({ name: VolumeNameSchema, sizeBytes: VolumeSizeSchema }).strict().meta({ id: "VolumeCreate" });
/** A volume only grows. */
export const VolumeResizeSchema = z.object({ sizeBytes: VolumeSizeSchema }).strict().meta({ id: "VolumeResize" });

export const VolumeSnapshotSchema = z.object({
  id: idSchema("snapshot"),
  volume: z.string(),
  state: z.enum(SNAPSHOT_STATES),
  reason: z.enum(SNAPSHOT_REASONS),
  /** As it is stored; null while it is taken. */
  sizeBytes: z.number().int().nullable(),
  /** Of the volume when it was taken. */
  volumeSizeBytes: z.number().int(),
  /** SHA-256 of what is stored. */
  digest: z.string().nullable(),
  failure: orNull(FailureSchema),
  createdAt: time,
  /** When it is removed by itself; null: never. */
  expiresAt: time.nullable(),
}).meta({ id: "VolumeSnapshot" });
export type VolumeSnapshot = z.infer<typeof VolumeSnapshotSchema>;

/** Something that takes its time. It ends as `done` or `failed`; a failed one has changed nothing. */
export const VolumeOperationSchema = z.object({
  id: idSchema("operation"),
  volume: z.string(),
  kind: z.enum(OPERATION_KINDS),
  state: z.enum(OPERATION_STATES),
  /** That it takes or restores. */
  snapshot: idSchema("snapshot").nullable(),
  /** Where the volume is to be. */
  toNode: z.string().nullable(),
  failure: orNull(FailureSchema),
  createdAt: time,
  finishedAt: time.nullable(),
}).meta({ id: "VolumeOperation" });
export type VolumeOperation = z.infer<typeof VolumeOperationSchema>;

const NodeName = z.string().min(1).max(255);
export const VolumeOperationCreateSchema = z
  .discriminatedUnion("kind", [
    z.object({ kind: z.literal("snapshot") }).strict(),
    /** What the volume has now is replaced. `node`: where it is made anew, for a volume whose node is lost. */
    z.object({ kind: z.literal("restore"), snapshot: idSchema("snapshot"), node: NodeName.optional() }).strict(),
    z.object({ kind: z.literal("move"), node: NodeName }).strict(),
  ])
  .meta({ id: "VolumeOperationCreate" });
export type VolumeOperationCreate = z.infer<typeof VolumeOperationCreateSchema>;
