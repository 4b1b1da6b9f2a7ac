/** A few kilobytes that appear whole: to the page cache, as waiting for a thread would take longer than the writing. */
import { closeSync, mkdirSync, openSync, renameSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import { preallocate } from "../core/host/syscalls.ts";

/** Makes its directory if there is none. */
export function writeSmall(path: string, text: string): void {
  const made = `${path}.new`;
  const file = openAnew(made);
  try {
    // Without that, ext4 begins to write the file to the disk when it takes another's place: whoever does it waits for a busy disk.
    preallocate(file, Buffer.byteLength(text));
    writeSync(file, text);
  } finally {
    closeSync(file);
  }
  renameSync(made, path);
}

function openAnew(path: string): number {
  try {
    return openSync(path, "w", 0o600);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    mkdirSync(dirname(path), { recursive: true, mode: 0o711 });
    return openSync(path, "w", 0o600);
  }
}
