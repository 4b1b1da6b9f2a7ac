import assert from "node:assert/strict";
import { test } from "node:test";
import { BadImage, createError } from "./bad-image.ts";

test("what a runtime says becomes the image's fault only when it is", () => {
  const said = (reason: string) => {
    const error = createError(reason, "/app");
    return [error instanceof BadImage, error.message];
  };
  assert.deepEqual(said("executable file `/app` not found in $PATH: No such file or directory"), [true, "The program «/app» is not in the image, or its interpreter is not."]);
  assert.deepEqual(said("exec: `/app`: Permission denied"), [true, "The program «/app» may not be executed: is it executable for its USER?"]);
  assert.deepEqual(said("exec container process `/app`: Exec format error"), [true, "The program «/app» is not made for this machine."]);
  assert.deepEqual(said("starting sandbox: creating process: failed to load /proc/self/exe: invalid argument"), [true, "The program «/app» is not made for this machine."]);
  for (const reason of ["writing the exec fifo: Invalid argument", "mount `proc`: Invalid argument"]) assert.deepEqual(said(reason), [false, `the container could not be created: ${reason}`]);
});
