import assert from "node:assert/strict";
import { test } from "node:test";
import { newId } from "../contract/ids.ts";
import { instanceLoad } from "./instance-load.ts";
import { NO_USAGE } from "./usage.ts";

const [a, b, c] = [newId("instance"), newId("instance"), newId("instance")];
const usage = (at: number, cpuMicros: number, memoryByteSeconds: number, since = 1) => ({ ...NO_USAGE, since, at, cpuMicros, memoryByteSeconds });

test("from two words of the nodes to what is used now; what is not known is taken for the average", () => {
  const first = instanceLoad(undefined, [{ id: a, usage: usage(0, 0, 0) }, { id: b, usage: usage(0, 5_000_000, 0) }], 0);
  assert.deepEqual([first.cpuMillis, first.memoryBytes], [null, null], "one word is none");
  // a used half a cpu and 100 bytes for 10 s, b a whole one and 300.
  const said = [{ id: a, usage: usage(10_000, 5_000_000, 1000) }, { id: b, usage: usage(10_000, 15_000_000, 3000) }];
  const second = instanceLoad(first.memory, said, 10_500);
  assert.deepEqual([second.cpuMillis, second.memoryBytes], [1500, 400]);
  const same = instanceLoad(second.memory, said, 12_000);
  assert.deepEqual([same.cpuMillis, same.memoryBytes], [1500, 400], "until the next word");
  const grown = instanceLoad(same.memory, [...said, { id: c, usage: null }], 13_000);
  assert.equal(grown.cpuMillis, 2250, "a new one is no less load");
});

test("a node that began anew, or is away, says nothing", () => {
  const first = instanceLoad(undefined, [{ id: a, usage: usage(0, 9_000_000, 0) }], 0);
  assert.equal(instanceLoad(first.memory, [{ id: a, usage: usage(10_000, 1_000_000, 0, 2) }], 10_000).cpuMillis, null);
  const second = instanceLoad(first.memory, [{ id: a, usage: usage(10_000, 10_000_000, 0) }], 10_000);
  assert.equal(second.cpuMillis, 100);
  assert.equal(instanceLoad(second.memory, [{ id: a, usage: usage(10_000, 10_000_000, 0) }], 60_000).cpuMillis, null);
  assert.deepEqual(instanceLoad(second.memory, [], 0), { cpuMillis: null, memoryBytes: null, memory: new Map() });
});
