/** The options of `strategy-options.ts`, as a strategy of the settings. Pure; the API checks the rest. */
import type { SettingsPatch } from "../client/index.ts";
import { usageError } from "./errors.ts";

type Strategy = NonNullable<SettingsPatch["strategy"]>;
export type Step = Extract<Strategy, { kind: "canary" }>["steps"][number];

export const STRATEGIES = ["blue-green", "rolling", "canary"] as const;

export interface StrategyFlags {
  strategy?: (typeof STRATEGIES)[number];
  maxSurge?: number | string;
  maxUnavailable?: number | string;
  canarySteps?: Step[];
}

/** Undefined: nothing was named. What belongs to one kind is refused with another. */
export function strategyPatch({ strategy: kind, maxSurge, maxUnavailable, canarySteps }: StrategyFlags): Strategy | undefined {
  if (kind !== "rolling" && (maxSurge ?? maxUnavailable) !== undefined) throw usageError("--max-surge and --max-unavailable go with --strategy rolling.");
  if (kind !== "canary" && canarySteps !== undefined) throw usageError("--canary-steps goes with --strategy canary.");
  if (kind === undefined) return undefined;
  if (kind === "blue-green") return { kind };
  if (kind === "canary") {
    if (canarySteps === undefined) throw usageError("A canary needs its steps.", "Example: --strategy canary --canary-steps 5%:10m,50%:10m");
    return { kind, steps: canarySteps };
  }
  const isNone = (count: number | string | undefined) => count === 0 || count === "0%";
  if (isNone(maxSurge) && (maxUnavailable === undefined || isNone(maxUnavailable))) throw usageError("--max-surge and --max-unavailable must not both be 0: nothing could move.");
  return { kind, ...(maxSurge === undefined ? {} : { maxSurge }), ...(maxUnavailable === undefined ? {} : { maxUnavailable }) };
}
