import assert from "node:assert/strict";
import { test } from "node:test";
import { run } from "./host/spawn.ts";

test("whatever is logged is one line, and commands no terminal", async () => {
  const hostile = 'a\r\n{"level":60,"msg":"forged"}\u001b[2J\u0000';
  const script = `import { openLog } from ${JSON.stringify(new URL("log.ts", import.meta.url).href)}; const text = ${JSON.stringify(hostile)}; openLog("test").info({ path: text, [text]: text, err: new Error(text) }, text);`;
  const { stdout } = await run([process.execPath, "--input-type=module-typescript", "-e", script]);
  assert.equal(stdout.trimEnd().split(/\r|\n/).length, 1, stdout);
  assert.ok(!/[\u0000-\u0008\u000b-\u001f]/.test(stdout), JSON.stringify(stdout));
  const line = JSON.parse(stdout) as Record<string, unknown>;
  assert.deepEqual([line["level"], line["msg"], line["path"], line[hostile]], [30, hostile, hostile, hostile]);
});
