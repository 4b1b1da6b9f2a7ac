/** What an instance is as a whole: its own container, sidecars, init containers. Pure. */
import type { Settings } from "../contract/release-config.ts";

export interface Size {
  memoryBytes: number;
  /** Thousandths of one cpu. */
  cpuMillis: number;
  pidsMax: number;
}

/**
 * What an instance may use, as Kubernetes counts a pod: its container and the sidecars together, or the largest of the
 * init containers, which run one by one before them. `core/db/queries/quota.ts` says the same in SQL.
 */
export function sizeOfAll(main: Size, sidecars: readonly Size[], init: readonly Size[]): Size {
  const of = (name: keyof Size) => Math.max([main, ...sidecars].reduce((sum, container) => sum + container[name], 0), ...init.map((container) => container[name]));
  return { memoryBytes: of("memoryBytes"), cpuMillis: of("cpuMillis"), pidsMax: of("pidsMax") };
}

export function instanceSize(settings: Size & Pick<Settings, "sidecars" | "init">): Size {
  return sizeOfAll(settings, settings.sidecars ?? [], settings.init ?? []);
}

const patienceMs = (startup: { failures: number; periodMs: number } | undefined) => (startup === undefined ? 0 : startup.failures * startup.periodMs);

/** The longest that an instance may take from its first process until it is ready. */
export function startPatienceMs({ readyTimeoutMs, startup, sidecars = [], init = [] }: Pick<Settings, "readyTimeoutMs" | "startup" | "sidecars" | "init">): number {
  const before = init.reduce((sum, { timeoutMs }) => sum + timeoutMs, 0) + sidecars.reduce((sum, sidecar) => sum + patienceMs(sidecar.startup), 0);
  return before + patienceMs(startup) + readyTimeoutMs;
}
