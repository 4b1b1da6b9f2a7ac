/** buildah's output, line by line, as entries of the build's log, with what a failure needs to remember. Pure state. */
import type { BuildLogLine } from "../../core/build-log.ts";
import { cleanLine } from "./clean-line.ts";
import { maskOf } from "./mask.ts";

/** Where in the Dockerfile buildah is. */
export interface StepPosition {
  /** Stage from 0. */
  stage: number;
  /** 1-based within the stage; FROM is 1. */
  step: number;
  text: string;
}

export const TAIL_LINES = 20;
const TAIL_LINE_CHARS = 1000;
const STEP = /^(?:\[(\d+)\/\d+\] )?STEP (\d+)\/\d+: (.*)$/;
/** What buildah says to itself. */
const NOISE = /^(?:COMMIT |Successfully tagged |Getting image source signatures|Writing manifest to image destination|Copying (?:blob|config) sha256:|[0-9a-f]{64}$|subprocess exited with status \d+$|Resolving "[^"]+" using unqualified|--> Cache pulled from remote |time="[^"]*" level=(?:debug|info|warning|error) )/;

export class BuildOutput {
  /** Counts the steps of all stages, 1-based; 0 before the first. */
  step = 0;
  position: StepPosition | undefined;
  /** The sentence that ended the build. */
  error = "";
  #tail: string[] = [];
  #mask = (text: string) => text;

  /** From now on values of these are shown as `***`. */
  hide(secrets: readonly Buffer[]): void {
    this.#mask = maskOf(secrets);
  }

  mask(text: string): string {
    return this.#mask(text);
  }

  /** The log entry of a line, or undefined when it is noise. */
  read(raw: string): BuildLogLine | undefined {
    // After cleaning: what had colours in the middle is found, too.
    const text = this.#mask(cleanLine(raw));
    const found = STEP.exec(text);
    if (found !== null) {
      this.step++;
      this.position = { stage: found[1] === undefined ? 0 : Number(found[1]) - 1, step: Number(found[2]), text: found[3] ?? "" };
      this.#tail = [];
      return { step: this.step, stream: "system", text };
    }
    if (text.startsWith("Error: ")) {
      this.error = text.slice("Error: ".length);
      return { step: this.step, stream: "stderr", text };
    }
    if (NOISE.test(text)) return undefined;
    if (/^--> (?:[0-9a-f]{12}|Using cache)/.test(text)) return /^--> [0-9a-f]{12}$/.test(text) ? undefined : { step: this.step, stream: "system", text: text.replace(/ [0-9a-f]{64}$/, "") };
    this.#tail.push(text.slice(0, TAIL_LINE_CHARS));
    if (this.#tail.length > TAIL_LINES) this.#tail.shift();
    return { step: this.step, stream: "stdout", text };
  }

  /** The last lines of the present step, oldest first. */
  get tail(): string[] {
    return [...this.#tail];
  }
}
