import { stripVTControlCharacters } from "node:util";

/** A line that cannot command a terminal: of a progress bar its last state, no colours, other control characters as `\xNN`. */
export function cleanLine(raw: string): string {
  const line = raw.replace(/\r+$/, "");
  const last = line.slice(line.lastIndexOf("\r") + 1);
  return stripVTControlCharacters(last).replace(/[\u0000-\u0008\u000a-\u001f\u007f-\u009f\u2028\u2029]/g, (char) => `\\x${(char.codePointAt(0) ?? 0).toString(16).padStart(2, "0")}`);
}
