/**
 * The next step of what is being done with a volume: a pure function of what the database says. Each step is one
 * transaction, so that whoever comes next, after whatever crash, goes on from there. A failed operation has changed
 * nothing: the volume is the image that it was, and the app is let go.
 */
import type { Failure } from "../contract/errors.ts";
import type { ImageState, OperationKind, OperationState, SnapshotState } from "./volume-states.ts";

export interface OperationView {
  kind: OperationKind;
  state: OperationState;
  createdAt: number;
  /** The image that is the volume now. */
  current: { state: ImageState; failure: Failure | null };
  snapshot: { state: SnapshotState; failure: Failure | null } | null;
  /** The image that is being made beside it. */
  made: { state: ImageState; failure: Failure | null } | null;
  /** Whether the volume's node, and the one where it is to be, have been silent for too long. */
  isNodeLost: boolean;
  isTargetLost: boolean;
  /** Instances of the app that may still write to the volume. */
  running: number;
}

export type OperationStep =
  /** From now on the app must not run. */
  | { kind: "stop-app" }
  | { kind: "take-snapshot"; isStopped: boolean }
  /** From the snapshot, on the node where the volume is to be. */
  | { kind: "make-image" }
  /** The image that was made is the volume; the former one goes. */
  | { kind: "switch" }
  /** Nothing was ever stored in it: it begins anew elsewhere. */
  | { kind: "begin-elsewhere" }
  | { kind: "finish" }
  | { kind: "fail"; failure: Failure };

/** Longer than any copy that is worth waiting for. */
export const OPERATION_TIMEOUT_MS = 6 * 3_600_000;

/** Undefined: nothing to do until something changes. */
export function nextStep(view: OperationView, now: number): OperationStep | undefined {
  if (now - view.createdAt > OPERATION_TIMEOUT_MS) return fail("volume_failed", `It did not end within ${OPERATION_TIMEOUT_MS / 3_600_000} hours.`);
  if (view.kind === "snapshot") return snapshotStep(view);
  return view.kind === "restore" ? restoreStep(view) : moveStep(view);
}

function snapshotStep(view: OperationView): OperationStep | undefined {
  if (view.isNodeLost) return nodeLost();
  if (view.state === "queued") return { kind: "take-snapshot", isStopped: false };
  return afterSnapshot(view, { kind: "finish" });
}

function restoreStep(view: OperationView): OperationStep | undefined {
  if (view.isTargetLost) return targetLost();
  if (view.state === "queued") return { kind: "make-image" };
  if (view.state === "fetching") return afterImage(view, view.running === 0 ? { kind: "switch" } : { kind: "stop-app" });
  return view.running === 0 ? { kind: "switch" } : undefined;
}

function moveStep(view: OperationView): OperationStep | undefined {
  // Once the snapshot is taken, the former node is needed no more.
  if (view.isNodeLost && view.state !== "fetching") return nodeLost();
  if (view.isTargetLost) return targetLost();
  if (view.state === "queued") return { kind: "stop-app" };
  if (view.state === "stopping") {
    if (view.running > 0) return undefined;
    if (view.current.state === "whole") return { kind: "take-snapshot", isStopped: true };
    return view.current.failure === null ? undefined : { kind: "begin-elsewhere" };
  }
  return view.state === "snapshotting" ? afterSnapshot(view, { kind: "make-image" }) : afterImage(view, { kind: "switch" });
}

function afterSnapshot({ snapshot }: OperationView, then: OperationStep): OperationStep | undefined {
  if (snapshot?.state === "ready") return then;
  if (snapshot?.state === "taking") return undefined;
  return { kind: "fail", failure: snapshot?.failure ?? { code: "volume_failed", detail: "The snapshot was deleted meanwhile." } };
}

function afterImage({ made }: OperationView, then: OperationStep): OperationStep | undefined {
  if (made?.state === "whole") return then;
  if (made?.failure) return { kind: "fail", failure: made.failure };
  return made?.state === "making" ? undefined : fail("volume_failed", "The image was removed meanwhile.");
}

const fail = (code: Failure["code"], detail: string): OperationStep => ({ kind: "fail", failure: { code, detail } });
const nodeLost = () => fail("volume_node_lost", "The node that has the volume is away. Wait for it, or restore the last snapshot on another node.");
const targetLost = () => fail("volume_node_lost", "The node where the volume was to be is away.");
