import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { latest } from "./latest.ts";

test("of what comes while one is worked on, only the newest is worked on", async () => {
  const done: number[] = [];
  const push = latest<number>(
    async (n) => {
      await sleep(10);
      done.push(n);
    },
    () => false,
    assert.ifError,
  );
  for (const n of [1, 2, 3, 4]) push(n);
  await sleep(60);
  assert.deepEqual(done, [1, 4]);
  push(5);
  await sleep(30);
  assert.deepEqual(done, [1, 4, 5]);
});

test("work that fails is tried again, and not when it was stopped", async () => {
  let tries = 0;
  let stopped = false;
  const push = latest<string>(
    async () => {
      tries += 1;
      throw new Error("away");
    },
    () => stopped,
    () => {},
  );
  push("x");
  await sleep(700);
  assert.equal(tries, 2);
  stopped = true;
  await sleep(600);
  assert.equal(tries, 2);
});
