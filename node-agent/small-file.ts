/** A few kilobytes that appear whole: to the page cache, as waiting for a thread would take longer than the writing. */
import { closeSync, constants, ftruncateSync, mkdirSync, openSync, renameSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import { exchangeFiles } from "../core/host/syscalls.ts";

/**
 * Makes its directory if there is none. Two files take turns: making and deleting one each time, ext4 would look for a free
 * place longer and longer, and write each to the disk at once, which whoever waits for a busy disk would feel.
 */
export function writeSmall(path: string, text: string): void {
  const other = `${path}.new`;
  const file = openOther(other);
  try {
    ftruncateSync(file, writeSync(file, text, 0));
  } finally {
    closeSync(file);
  }
  if (!exchangeFiles(other, path)) renameSync(other, path);
}

function openOther(path: string): number {
  const flags = constants.O_WRONLY | constants.O_CREAT;
  try {
    return openSync(path, flags, 0o600);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    mkdirSync(dirname(path), { recursive: true, mode: 0o711 });
    return openSync(path, flags, 0o600);
  }
}
