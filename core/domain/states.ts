/** The states of everything that lives through several, and which may follow which. The database enforces the same sets. */
import type { RunState } from "./jobs.ts";

export const BUILD_STATES = ["queued", "running", "succeeded", "failed", "cancelled"] as const;
export type BuildState = (typeof BUILD_STATES)[number];
const BUILD_NEXT = {
  queued: ["running", "cancelled", "failed"],
  /** running → queued: its worker was lost; the next attempt has a higher number. */
  running: ["succeeded", "failed", "cancelled", "queued"],
  succeeded: [],
  failed: [],
  cancelled: [],
} as const satisfies Record<BuildState, readonly BuildState[]>;

export const DEPLOYMENT_STATES = ["building", "releasing", "live", "failed", "cancelled"] as const;
export type DeploymentState = (typeof DEPLOYMENT_STATES)[number];
const DEPLOYMENT_NEXT = {
  building: ["releasing", "failed", "cancelled"],
  releasing: ["live", "failed", "cancelled"],
  live: [],
  failed: [],
  cancelled: [],
} as const satisfies Record<DeploymentState, readonly DeploymentState[]>;

/**
 * What Berth wants of an instance. `draining`: takes no new request, waits until every gateway says that it
 * holds none; `warm`: of the release before, kept frozen so that a rollback has it at once; `stopping`: the node was
 * told to end it; `gone`: the node has confirmed.
 */
export const INSTANCE_STATES = ["wanted", "draining", "warm", "stopping", "gone"] as const;
export type InstanceState = (typeof INSTANCE_STATES)[number];
const INSTANCE_NEXT = {
  wanted: ["draining", "stopping", "gone"],
  /** draining, warm → wanted: its release is live again. */
  draining: ["warm", "wanted", "stopping", "gone"],
  warm: ["wanted", "stopping", "gone"],
  stopping: ["gone"],
  gone: [],
} as const satisfies Record<InstanceState, readonly InstanceState[]>;

/** A run that its schedule left out begins, and ends, as missed. `core/domain/jobs.ts`. */
const RUN_NEXT = {
  pending: ["running", "failed", "cancelled"],
  running: ["succeeded", "failed", "cancelled"],
  succeeded: [],
  failed: [],
  cancelled: [],
  missed: [],
} as const satisfies Record<RunState, readonly RunState[]>;

const NEXT = { build: BUILD_NEXT, deployment: DEPLOYMENT_NEXT, instance: INSTANCE_NEXT, run: RUN_NEXT };
type StateOf = { build: BuildState; deployment: DeploymentState; instance: InstanceState; run: RunState };

/** Whether `to` may follow `from`. */
export function mayFollow<K extends keyof StateOf>(kind: K, from: StateOf[K], to: StateOf[K]): boolean {
  const next = NEXT[kind] as Record<string, readonly string[]>;
  return next[from]?.includes(to) ?? false;
}

/** The states from which `to` may come: for the `WHERE` of the write. */
export function statesBefore<K extends keyof StateOf>(kind: K, to: StateOf[K]): StateOf[K][] {
  const next = NEXT[kind] as Record<string, readonly string[]>;
  return Object.keys(next).filter((from) => next[from]?.includes(to)) as StateOf[K][];
}

/** Of a node. open: it takes instances; cordoned: it takes no more; draining: nor does it keep those that can be elsewhere. */
export const PLACEMENTS = ["open", "cordoned", "draining"] as const;
export type Placement = (typeof PLACEMENTS)[number];
