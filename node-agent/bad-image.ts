/** The image cannot be run, whatever the node does: the text says why. */
export class BadImage extends Error {}

/** Runtimes speak to operators; a tenant reads what is wrong with the image. */
export function createError(reason: string, program: string): Error {
  // What the host lacks is not the image's fault.
  if (!/exec|not a regular file|failed to load/i.test(reason)) return new Error(`the container could not be created: ${reason}`);
  if (/not found|No such file/i.test(reason)) return new BadImage(`The program «${program}» is not in the image, or its interpreter is not.`);
  if (/Permission denied|not executable|not a regular file/i.test(reason)) return new BadImage(`The program «${program}» may not be executed: is it executable for its USER?`);
  if (/Exec format|wrong ELF|architecture|failed to load [^:]*: invalid argument/i.test(reason)) return new BadImage(`The program «${program}» is not made for this machine.`);
  return new Error(`the container could not be created: ${reason}`);
}
