/** Options of `deploy` and `scale` for how a new release takes over. */
import { Option, type Command } from "commander";
import { usageError } from "./errors.ts";
import { parseDuration } from "./flags.ts";
import { STRATEGIES, type Step } from "./strategy-flags.ts";

export function strategyOptions(command: Command): Command {
  return command
    .addOption(new Option("--strategy <kind>", "how a new release takes over").choices(STRATEGIES))
    .option("--max-surge <count>", "with --strategy rolling: so many instances more than wanted: 1, 25%", instanceCount("--max-surge"))
    .option("--max-unavailable <count>", "with --strategy rolling: so many fewer may be ready: 1, 25%", instanceCount("--max-unavailable"))
    .option("--canary-steps <steps>", "with --strategy canary: shares of the requests and how long each is held: 5%:10m,50%:10m", parseSteps);
}

/** `1`, `25%`: for commander. */
export function instanceCount(name: string): (text: string) => number | string {
  return (text) => {
    const [, digits, sign] = /^(\d{1,3})(%?)$/.exec(text) ?? [];
    if (digits === undefined || Number(digits) > 100) throw usageError(`${name} is a number or a share of the instances, at most 100 or 100%, and not «${text}».`, "Examples: 1, 25%");
    return sign === "%" ? `${Number(digits)}%` : Number(digits);
  };
}

/** `5%:10m,50%:10m`: shares of the requests, each with how long it is held. */
export function parseSteps(text: string): Step[] {
  const steps = text.split(",").map((part) => {
    const [, percent, hold = ""] = /^(\d+(?:\.\d+)?)%:(.+)$/.exec(part.trim()) ?? [];
    if (percent === undefined || Number(percent) > 100) throw usageError(`--canary-steps: «${part.trim()}» is no step.`, "Each is a share of the requests and how long it is held: --canary-steps 5%:10m,50%:10m");
    return { percent: Number(percent), holdMs: parseDuration(hold) };
  });
  if (steps.some(({ percent }, at) => percent < (steps[at - 1]?.percent ?? 0))) throw usageError("--canary-steps: shares must not go down from step to step.");
  if (steps.length > 20) throw usageError("--canary-steps: at most 20 steps.");
  return steps;
}
