/** Why an instance does not serve, as its report says it. */
import type { Exit, InstanceReport } from "../core/contract/node-channel.ts";
import { BadImage } from "./bad-image.ts";

/** It is not going to be ready: the reason goes into the report. */
export class NotReady extends Error {
  readonly problem: { code: NonNullable<InstanceReport["problem"]>["code"]; detail: string };
  /** How a container beside the app's ended, and what it said; undefined: it is about the app itself. */
  readonly beside: { lastExit: Exit | null; logTail: string[] } | undefined;
  constructor(problem: NotReady["problem"], beside?: NotReady["beside"]) {
    super(problem.detail);
    this.problem = problem;
    this.beside = beside;
  }
}

export function problemOf(error: unknown): NotReady["problem"] {
  if (error instanceof NotReady) return error.problem;
  const text = error instanceof Error ? error.message : String(error);
  return error instanceof BadImage ? { code: "image_invalid", detail: text } : { code: "app_unhealthy", detail: `The node could not start the app: ${text}` };
}

/** It ended by itself before it was ready. */
export function exitedEarly(exit: Exit, memoryBytes: number): NotReady {
  return exit.oomKilled ? new NotReady(outOfMemory(exit, memoryBytes)) : new NotReady({ code: "app_exited", detail: `The app exited with code ${exit.code} before it was ready.` });
}

/** It ended by itself after it had been ready. */
export function crashProblem(exit: Exit, memoryBytes: number): NotReady["problem"] {
  return exit.oomKilled ? outOfMemory(exit, memoryBytes) : { code: "app_exited", detail: `The app exited with code ${exit.code}.` };
}

function outOfMemory({ memoryPeakBytes }: Exit, memoryBytes: number): NotReady["problem"] {
  const peak = memoryPeakBytes === undefined ? "" : `, peak ${mib(memoryPeakBytes)}`;
  return { code: "app_out_of_memory", detail: `The app ran out of memory: limit ${mib(memoryBytes)}${peak}. Let it use less, or deploy with a larger --memory.` };
}

const mib = (bytes: number) => `${Math.round(bytes / 2 ** 20)} MiB`;
