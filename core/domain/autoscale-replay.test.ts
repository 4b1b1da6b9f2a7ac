/** The autoscaler against traffic of all shapes, request by request: `test/support/scale-replay.ts`. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { CASES, replay, replayTable } from "../../test/support/scale-replay.ts";

for (const { name, ...options } of CASES) {
  test(`${name}: no request is lost, and none waits long`, () => {
    const { lost, longestWaitMs, most, needed, cost } = replay(options);
    assert.equal(lost, 0);
    assert.ok(longestWaitMs <= 3000 + options.bootMs, `${longestWaitMs} ms`);
    assert.ok(most <= 4 * needed, `${most} of ${needed}`);
    // What comes and goes within a stable window costs the rest of it.
    assert.ok(cost <= (/spike/.test(name) ? 8 : /on-off/.test(name) ? 3 : 1.7), `${cost}`);
  });
}

test("the decision shows these figures: `npm run autoscaler` prints them", () => {
  const text = readFileSync(new URL("../../docs/decisions/autoscaler.md", import.meta.url), "utf8");
  assert.ok(text.includes(replayTable()), replayTable());
});
