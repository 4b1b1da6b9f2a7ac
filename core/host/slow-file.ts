/** Files of the kernel's that take their time for what is written to them, and for nothing else. */
import { closeSync, openSync, write } from "node:fs";
import { promisify } from "node:util";

const writeOnThread = promisify(write);

/** @throws Error with the errno's name as `code` */
export async function writeSlowly(path: string, text: string): Promise<void> {
  const file = openSync(path, "r+");
  try {
    await writeOnThread(file, text);
  } finally {
    closeSync(file);
  }
}
