/** buildah's output, line by line, as entries of the build's log, with what a failure needs to remember. Pure state. */
import { stripVTControlCharacters } from "node:util";
import type { BuildLogLine } from "../../core/build-log.ts";

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

  /** The log entry of a line, or undefined when it is noise. */
  read(raw: string): BuildLogLine | undefined {
    const text = cleanLine(raw);
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

/** A line that cannot command a terminal: of a progress bar its last state, no colours, other control characters as `\xNN`. */
export function cleanLine(raw: string): string {
  const line = raw.replace(/\r+$/, "");
  const last = line.slice(line.lastIndexOf("\r") + 1);
  return stripVTControlCharacters(last).replace(/[\u0000-\u0008\u000a-\u001f\u007f-\u009f\u2028\u2029]/g, (char) => `\\x${(char.codePointAt(0) ?? 0).toString(16).padStart(2, "0")}`);
}
