import assert from "node:assert/strict";
import { test } from "node:test";
import { crunClass } from "./crun.ts";
import { gvisorClass } from "./runsc.ts";

test("of containers in one sandbox no id is another's beginning: runsc takes that for the id", () => {
  const { sandboxed } = gvisorClass({ runsc: "runsc", stateDir: "/s", inSandbox: "in-sandbox.sh" });
  assert.ok(sandboxed);
  const ids = ["ins_1", "ins_1.db", "ins_1.db2"].map((id) => sandboxed.container.kill(id, "TERM").at(-2) ?? "").concat(sandboxed.sandbox.delete("ins_1._sandbox").at(-1) ?? "");
  for (const id of ids) assert.deepEqual(ids.filter((each) => each.startsWith(id)), [id]);
});

test("an image's STOPSIGNAL is never an option of a runtime", () => {
  const argv = crunClass({ crun: "crun", stateDir: "/s" }).kill("ins_1", "--regex");
  assert.deepEqual(argv.slice(-3), ["--", "ins_1", "--regex"]);
  assert.deepEqual(gvisorClass({ runsc: "runsc", stateDir: "/s", inSandbox: "in-sandbox.sh" }).kill("ins_1", "--all").slice(-3), ["--", "ins_1", "--all"]);
});
