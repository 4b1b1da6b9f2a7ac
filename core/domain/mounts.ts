/** How an app's mounts fit together, and what they mean for its instances. Pure. */
import { AppError } from "../contract/errors.ts";
import type { Mount, Scratch } from "../contract/volumes.ts";

interface Mounting {
  mounts?: readonly Mount[] | undefined;
  scratch?: readonly Scratch[] | undefined;
  replicas: number;
  scaling?: { max: number } | undefined;
}

/** @throws AppError invalid_config */
export function checkMounts({ mounts = [], scratch = [], replicas, scaling }: Mounting): void {
  const paths = [...mounts, ...scratch].map(({ path }) => path).toSorted();
  for (const [index, path] of paths.entries()) {
    const before = paths.slice(0, index).find((other) => path === other || path.startsWith(`${other}/`));
    if (before === path) throw new AppError("invalid_config", `Two mounts have the path «${path}».`);
    if (before !== undefined) throw new AppError("invalid_config", `The mount «${path}» lies within the mount «${before}»: mount it beside.`);
  }
  const twice = mounts.find(({ volume }, index) => mounts.findIndex((other) => other.volume === volume) !== index);
  if (twice !== undefined) throw new AppError("invalid_config", `The volume «${twice.volume}» is mounted twice: once is enough, at one path.`);
  const most = scaling?.max ?? replicas;
  const alone = mounts.find(isExclusive);
  if (alone !== undefined && most > 1) {
    throw new AppError("invalid_config", `The volume «${alone.volume}» is for one writer, and the app may have ${most} instances. Let it have one (${scaling ? "scaling.max" : "replicas"}: 1), or say shared (or readOnly) in the mount if its files bear several.`);
  }
}

/** A volume that the live release mounts. */
export interface ExplainedVolume {
  name: string;
  /** Null: nowhere yet. */
  node: string | null;
  isNodeLost: boolean;
  /** Nothing of the app may run while it is being restored or moved. */
  isHeld: boolean;
  isExclusive: boolean;
}

/** What volumes have to do with where, how many and whether instances run, in words. */
export function explainVolumes(volumes: readonly ExplainedVolume[]): string[] {
  return volumes.flatMap(({ name, node, isNodeLost, isHeld, isExclusive: isAlone }) => {
    if (node === null) return [];
    if (isHeld) return [`Nothing of it runs now: its volume ${name} is being restored or moved.`];
    if (isNodeLost) return [`The node ${node}, which has its volume ${name}, is away: it waits for it, and starts nowhere else. berth volumes restore brings the last snapshot to another node.`];
    return [`It runs on ${node}, where its volume ${name} is${isAlone ? "; the volume bears one writer, so a new release starts when the former one has stopped" : ""}.`];
  });
}

/** One writer, so that one instance at a time may have it. */
export function isExclusive({ readOnly, shared }: Pick<Mount, "readOnly" | "shared">): boolean {
  return !readOnly && !shared;
}

/** What a run beside the app's instances may mount: volumes of one writer are theirs. */
export function sharedMounts({ mounts = [] }: Pick<Mounting, "mounts">): Mount[] {
  return mounts.filter((mount) => !isExclusive(mount));
}
