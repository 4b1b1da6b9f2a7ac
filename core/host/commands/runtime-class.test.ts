import assert from "node:assert/strict";
import { test } from "node:test";
import { crunClass } from "./crun.ts";
import { gvisorClass } from "./runsc.ts";

test("an image's STOPSIGNAL is never an option of a runtime", () => {
  const argv = crunClass({ crun: "crun", stateDir: "/s" }).kill("ins_1", "--regex");
  assert.deepEqual(argv.slice(-3), ["--", "ins_1", "--regex"]);
  assert.deepEqual(gvisorClass({ runsc: "runsc", stateDir: "/s" }).kill("ins_1", "--all").slice(-3), ["--", "ins_1", "--all"]);
});
