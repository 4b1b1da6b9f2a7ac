import assert from "node:assert/strict";
import { test } from "node:test";
import { newId } from "../core/contract/ids.ts";
import { DrainWatch } from "./drain-watch.ts";

const endpoint = () => ({ instanceId: newId("instance"), address: "10.0.0.1", port: 80 });

test("drained is what holds no request at two looks, one after the other", () => {
  const one = endpoint();
  const watch = new DrainWatch();
  watch.setWanted("s", { endpoints: [], draining: [one] });
  assert.ok(watch.pending);
  const look = (sessions: number) => watch.look(new Map([[one.instanceId, sessions]]), false);
  assert.deepEqual([look(1), look(0), look(1), look(0)], [[], [], [], []]);
  assert.deepEqual(look(0), [one.instanceId]);
  // Said until it is known to be sent.
  assert.deepEqual(look(0), [one.instanceId]);
  watch.reported([one.instanceId]);
  assert.equal(watch.pending, false);
  watch.forgetReports();
  assert.ok(watch.pending);
});

test("nothing is drained while a former process has connections", () => {
  const one = endpoint();
  const watch = new DrainWatch();
  watch.setWanted("s", { endpoints: [], draining: [one] });
  for (let i = 0; i < 3; i++) assert.deepEqual(watch.look(new Map(), true), []);
  watch.look(new Map(), false);
  assert.deepEqual(watch.look(new Map(), false), [one.instanceId]);
});

test("what takes requests again is not watched", () => {
  const one = endpoint();
  const watch = new DrainWatch();
  watch.setWanted("s", { endpoints: [], draining: [one] });
  watch.setWanted("s", { endpoints: [one], draining: [] });
  assert.equal(watch.pending, false);
});
