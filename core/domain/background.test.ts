import assert from "node:assert/strict";
import { test } from "node:test";
import { lookAtCpu, mustLook, type CpuReading, type Watched } from "./background.ts";

const SECOND = 1_000_000;
const SHORT = 0.5;
const ENOUGH = 0.2;

/** What is said after looks of a second each, in which each used so many thousandths of a cpu. */
function after(seconds: readonly Record<string, number>[], waitedShare = SHORT, cpuMillis = 500): Map<string, Watched> {
  const used = new Map<string, number>();
  return seconds.reduce<Map<string, Watched>>((watched, use) => {
    for (const [id, millis] of Object.entries(use)) used.set(id, (used.get(id) ?? 0) + millis * 1000);
    return lookAtCpu(watched, new Map<string, CpuReading>([...used].map(([id, cpuMicros]) => [id, { cpuMicros, cpuMillis }])), SECOND, waitedShare);
  }, new Map());
}

const inBackground = (watched: Map<string, Watched>) => [...watched].filter(([, one]) => one.inBackground).map(([id]) => id);

test("who uses half of its limit while cpu is short gives way to who uses little", () => {
  assert.deepEqual(inBackground(after([{ busy: 0, calm: 0 }, { busy: 300, calm: 20 }])), ["busy"]);
  assert.deepEqual(inBackground(after([{ busy: 0, calm: 0 }, { busy: 240, calm: 20 }])), []);
});

test("nobody gives way while there is enough, or when nobody calm does anything", () => {
  assert.deepEqual(inBackground(after([{ busy: 0, calm: 0 }, { busy: 300, calm: 20 }], ENOUGH)), []);
  assert.deepEqual(inBackground(after([{ busy: 0, calm: 0 }, { busy: 300, calm: 0 }])), []);
  assert.deepEqual(inBackground(after([{ busy: 0, other: 0 }, { busy: 300, other: 400 }])), []);
});

test("what one used before it was looked at says nothing", () => {
  assert.deepEqual(inBackground(after([{ busy: 400, calm: 20 }])), []);
});

test("it stays there through pauses of its work, and for ten seconds after it", () => {
  const work = [{ busy: 0, calm: 0 }, { busy: 300, calm: 20 }];
  const pause = { busy: 0, calm: 20 };
  assert.deepEqual(inBackground(after([...work, ...Array.from({ length: 9 }, () => pause)])), ["busy"]);
  assert.deepEqual(inBackground(after([...work, ...Array.from({ length: 10 }, () => pause)])), []);
});

test("a container that was started anew counts from zero", () => {
  const group = (cpuMicros: number) => new Map([["busy", { cpuMicros, cpuMillis: 500 }], ["calm", { cpuMicros: cpuMicros / 20, cpuMillis: 500 }]]);
  const before = lookAtCpu(new Map(), group(9 * SECOND), SECOND, SHORT);
  assert.deepEqual(inBackground(lookAtCpu(before, group(0.4 * SECOND), SECOND, SHORT)), ["busy"]);
});

test("little is never much, however small the limit", () => {
  assert.deepEqual(inBackground(after([{ small: 0, calm: 0 }, { small: 45, calm: 2 }], SHORT, 50)), []);
});

test("a look is taken while processes wait, and until nobody is in the background", () => {
  const watched = after([{ busy: 0, calm: 0 }, { busy: 300, calm: 20 }]);
  assert.equal(mustLook(new Map(), ENOUGH), false);
  assert.equal(mustLook(new Map(), SHORT), true);
  assert.equal(mustLook(watched, ENOUGH), true);
});
