import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";
import { Turns } from "./turns.ts";

test("so many at once, in order, the urgent first; one that fails gives its turn on", async () => {
  const turns = new Turns(2);
  const began: string[] = [];
  const ends = new Map<string, (error?: Error) => void>();
  const work = (name: string, isUrgent = false) =>
    turns.take(() => {
      began.push(name);
      return new Promise<string>((resolve, reject) => ends.set(name, (error) => (error ? reject(error) : resolve(name))));
    }, { isUrgent });
  const [a, b, c, d, e] = [work("a"), work("b"), work("c"), work("d"), work("e", true)];
  await nextTurn();
  assert.deepEqual(began, ["a", "b"]);
  ends.get("a")?.(new Error("no"));
  await assert.rejects(a, /no/);
  await nextTurn();
  assert.deepEqual(began, ["a", "b", "e"]);
  for (const name of ["b", "e"]) ends.get(name)?.();
  await nextTurn();
  assert.deepEqual(began, ["a", "b", "e", "c", "d"]);
  for (const name of ["c", "d"]) ends.get(name)?.();
  assert.deepEqual(await Promise.all([b, c, d, e]), ["b", "c", "d", "e"]);
});
