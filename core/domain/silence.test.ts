import assert from "node:assert/strict";
import { test } from "node:test";
import { NODE_LOST_AFTER_MS } from "./rollout-instances.ts";
import { lastSeen, type Heard } from "./silence.ts";

const NOW = 1_000_000_000;
const ago = (ms: number) => NOW - ms;
const heard = (lastSeenAt: number | null, silence: Heard["silence"] = null): Heard => ({ lastSeenAt, silence });
const isLost = (at: number | null | undefined, now = NOW) => at === null || at === undefined || now - at > NODE_LOST_AFTER_MS;
const lost = (nodes: Heard[], now = NOW) => lastSeen(nodes, now).map((at) => isLost(at, now));

test("a node that is silent while another one speaks is lost", () => {
  assert.deepEqual(lost([heard(ago(1000)), heard(ago(NODE_LOST_AFTER_MS + 1))]), [false, true]);
  assert.deepEqual(lost([heard(ago(1000)), heard(null)]), [false, true]);
});

test("after a silence of all, those who have not spoken yet have their time from its end", () => {
  const outage = { from: ago(61_000), until: ago(1000) };
  const nodes = [heard(ago(500), outage), heard(ago(63_000))];
  assert.deepEqual(lost(nodes), [false, false]);
  const later = NOW + NODE_LOST_AFTER_MS;
  assert.deepEqual(lost([heard(later - 500, outage), heard(ago(63_000))], later), [false, true], "and no longer");
});

test("one that was lost long before is lost after it, too", () => {
  assert.deepEqual(lost([heard(ago(500), { from: ago(61_000), until: ago(1000) }), heard(ago(3_600_000))]), [false, true]);
});

test("a node's own silence excuses nobody else", () => {
  const own = { from: ago(60_000), until: ago(1000) };
  assert.deepEqual(lost([heard(ago(500), own), heard(ago(100)), heard(ago(40_000))]), [false, false, true]);
  const other = { from: ago(900_000), until: ago(800_000) };
  assert.deepEqual(lost([heard(ago(500), own), heard(ago(100), other), heard(ago(40_000))]), [false, false, true], "nor do two that had theirs at other times");
});
