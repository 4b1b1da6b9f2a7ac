import assert from "node:assert/strict";
import { test } from "node:test";
import { crunKill } from "./crun.ts";

test("an image's STOPSIGNAL is never an option of crun", () => {
  const argv = crunKill({ crun: "crun", stateDir: "/s" }, "ins_1", "--regex");
  assert.deepEqual(argv.slice(-3), ["--", "ins_1", "--regex"]);
});
