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

/** One writer, so that one instance at a time may have it. */
export function isExclusive({ readOnly, shared }: Pick<Mount, "readOnly" | "shared">): boolean {
  return !readOnly && !shared;
}
