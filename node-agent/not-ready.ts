/** Why an instance does not serve, as its report says it. */
import type { Exit, InstanceReport } from "../core/contract/node-channel.ts";
import { BadImage } from "./bad-image.ts";

/** It is not going to be ready: the reason goes into the report. */
export class NotReady extends Error {
  readonly problem: { code: NonNullable<InstanceReport["problem"]>["code"]; detail: string };
  constructor(problem: NotReady["problem"]) {
    super(problem.detail);
    this.problem = problem;
  }
}

export function problemOf(error: unknown): NotReady["problem"] {
  if (error instanceof NotReady) return error.problem;
  const text = error instanceof Error ? error.message : String(error);
  return error instanceof BadImage ? { code: "image_invalid", detail: text } : { code: "app_unhealthy", detail: `The node could not start the app: ${text}` };
}

/** It ended by itself before it was ready. */
export function exitedEarly({ oomKilled, code }: Exit, memoryBytes: number): NotReady {
  return oomKilled
    ? new NotReady({ code: "app_out_of_memory", detail: `The app needed more than its ${Math.round(memoryBytes / 2 ** 20)} MiB of memory while starting. Deploy with a larger --memory.` })
    : new NotReady({ code: "app_exited", detail: `The app exited with code ${code} before it was ready.` });
}
