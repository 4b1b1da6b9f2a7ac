/** The states of what belongs to volumes. The database enforces the same sets. */

/** `taking`: its node works on it; `ready`: whole and checked; `removing`: its bytes are on their way out. */
export const SNAPSHOT_STATES = ["taking", "ready", "failed", "removing"] as const;
export type SnapshotState = (typeof SNAPSHOT_STATES)[number];

/** `manual` ones stay until they are deleted; the others expire. */
export const SNAPSHOT_REASONS = ["manual", "daily", "move"] as const;
export type SnapshotReason = (typeof SNAPSHOT_REASONS)[number];

/**
 * The file on a node that holds a volume's file system. `making`: it may be there, whole or not; `whole`: its node has
 * said so; `removing`: its node was told to remove it. A row goes when its node no longer has the file.
 */
export const IMAGE_STATES = ["making", "whole", "removing"] as const;
export type ImageState = (typeof IMAGE_STATES)[number];

export const OPERATION_KINDS = ["snapshot", "restore", "move"] as const;
export type OperationKind = (typeof OPERATION_KINDS)[number];

/** `stopping`: until no instance of the app runs; `snapshotting`, `fetching`: until a node has done it. */
export const OPERATION_STATES = ["queued", "stopping", "snapshotting", "fetching", "done", "failed"] as const;
export type OperationState = (typeof OPERATION_STATES)[number];

/** Whether the app must not run meanwhile: a restore only for the switch, a move from its beginning on. */
export function holdsApp(kind: OperationKind, state: OperationState): boolean {
  return state === "stopping" || (kind === "move" && (state === "snapshotting" || state === "fetching"));
}
