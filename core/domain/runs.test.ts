import assert from "node:assert/strict";
import { test } from "node:test";
import { newId, type NodeId } from "../contract/ids.ts";
import type { NodeView } from "./rollout.ts";
import { outcomeOf, planRun, retryPauseMs, type AttemptView, type RunAction, type RunView } from "./runs.ts";

const NOW = 10_000_000;
const n1 = "nod_1" as NodeId;
const n2 = "nod_2" as NodeId;
const node = (id: NodeId, more: Partial<NodeView> = {}): NodeView => ({ id, lastSeenAt: NOW, capacity: 10, instances: 0, placement: "open", ...more });
const RUN: RunView = { state: "pending", tasks: 1, parallelism: 1, retries: 0, backoffMs: 10_000, createdAt: NOW, cancel: null, held: null, patienceMs: null };
const attempt = (more: Partial<AttemptView> = {}): AttemptView => ({ instanceId: newId("instance"), nodeId: n1, task: 0, attempt: 1, state: "wanted", phase: "running", problem: undefined, exitCode: undefined, endedAt: null, createdAt: NOW, lostAt: null, ...more });
const done = (code = 0, more: Partial<AttemptView> = {}) => attempt({ phase: "completed", exitCode: code, endedAt: NOW, ...(code === 0 ? {} : { problem: { code: "command_failed", detail: `The command exited with code ${code}.`, logTail: ["boom"] } }), ...more });
const plan = (run: Partial<RunView>, attempts: AttemptView[] = [], nodes: NodeView[] = [node(n1)], now = NOW) => planRun({ ...RUN, ...run }, attempts, new Map(nodes.map((one) => [one.id, { ...one }])), now);
const kinds = (actions: readonly RunAction[]) => actions.filter(({ kind }) => kind !== "wait").map((action) => (action.kind === "place" ? `place ${action.task}.${action.attempt} ${action.nodeId}` : action.kind === "end" ? action.state : action.kind));

test("one task: placed, left alone while it runs, ended with its code", () => {
  assert.deepEqual(kinds(plan({})), ["place 0.1 nod_1"]);
  assert.deepEqual(kinds(plan({}, [attempt({ phase: null })])), []);
  assert.deepEqual(kinds(plan({}, [done()])), ["stop", "succeeded"]);
  const failed = plan({}, [done(3)]).at(-1);
  assert.deepEqual(failed, { kind: "end", state: "failed", exitCode: 3, failure: { code: "command_failed", detail: "The command exited with code 3.", logTail: ["boom"], exitCode: 3 } });
});

test("tasks run as many at a time as they may, spread over nodes, and all must succeed", () => {
  const three = { tasks: 3, parallelism: 2 };
  assert.deepEqual(kinds(plan(three, [], [node(n1), node(n2)])), ["place 0.1 nod_1", "place 1.1 nod_2"]);
  assert.deepEqual(kinds(plan(three, [done(), attempt({ task: 1 })])), ["stop", "place 2.1 nod_1"]);
  assert.deepEqual(kinds(plan(three, [done(), done(0, { task: 1 }), done(0, { task: 2 })])).at(-1), "succeeded");
  const broken = plan(three, [done(1), attempt({ task: 1 })]);
  assert.deepEqual(kinds(broken), ["stop", "stop"], "the others are ended first");
  assert.deepEqual(kinds(plan(three, [done(1), attempt({ task: 1, state: "stopping" })])), ["stop"], "and waited for");
  assert.deepEqual(kinds(plan(three, [done(1), attempt({ task: 1, state: "gone" })])), ["stop", "failed"]);
});

test("a task that failed is tried again after a pause that doubles, so often and no more", () => {
  const twice = { retries: 2 };
  assert.deepEqual(kinds(plan(twice, [done(1)], [node(n1)], NOW + 9_999)), ["stop"]);
  assert.deepEqual(kinds(plan(twice, [done(1, { state: "gone" })], [node(n1, { lastSeenAt: NOW + 10_000 })], NOW + 10_000)), ["place 0.2 nod_1"]);
  const two = [done(1, { state: "gone" }), done(1, { state: "gone", attempt: 2 })];
  assert.deepEqual(kinds(plan(twice, two, [node(n1)], NOW + 19_999)), []);
  assert.deepEqual(kinds(plan(twice, two, [node(n1)], NOW + 20_000)), ["place 0.3 nod_1"]);
  const [end] = plan(twice, [...two, done(7, { state: "gone", attempt: 3 })]);
  assert.equal(end?.kind === "end" && end.failure?.detail, "The command exited with code 7. It was tried 3 times.");
  assert.equal(retryPauseMs(10_000, 20), 3_600_000);
});

test("a lost node: without retries the run has failed and nothing is begun twice; with them it is begun elsewhere", () => {
  const lost = node(n1, { lastSeenAt: NOW - 100_000 });
  const lostAt = NOW - 60_000;
  assert.deepEqual(plan({}, [attempt()], [lost])[0], { kind: "wait", why: null }, "when all are silent it is not they who are away");
  assert.deepEqual(kinds(plan({}, [attempt()], [lost, node(n2)])), ["doubt"]);
  assert.deepEqual(kinds(plan({}, [attempt({ lostAt: lostAt + 1 })], [lost, node(n2)])), []);
  assert.deepEqual(kinds(plan({}, [attempt({ lostAt })], [node(n1), node(n2)])), ["doubt"], "it is back");
  const once = plan({}, [attempt({ lostAt })], [lost, node(n2)]);
  assert.deepEqual(kinds(once), ["stop", "failed"]);
  assert.equal(once.at(-1)?.kind === "end" && (once.at(-1) as { failure: { code: string } }).failure.code, "node_lost");
  assert.deepEqual(kinds(plan({ retries: 1, backoffMs: 0 }, [attempt({ lostAt })], [lost, node(n2)])), ["stop", "place 0.2 nod_2"]);
  assert.deepEqual(kinds(plan({ retries: 1, backoffMs: 0 }, [attempt({ state: "stopping", lostAt }), attempt({ attempt: 2, nodeId: n2 })], [lost, node(n2)])), []);
  // It comes back and had ended well: what was begun in its place is not needed.
  assert.deepEqual(kinds(plan({ retries: 1 }, [done(0, { state: "stopping" }), attempt({ attempt: 2, nodeId: n2 })], [node(n1), node(n2)])), ["stop"]);
});

test("no room, a switch of a volume, a run before it: it waits and says why; a release does not wait for long", () => {
  const full = [node(n1, { instances: 10 })];
  assert.deepEqual(plan({}, [], full), [{ kind: "wait", why: "No node has room." }]);
  assert.deepEqual(plan({ held: "The run before has not ended." }), [{ kind: "wait", why: "The run before has not ended." }]);
  assert.deepEqual(kinds(plan({ patienceMs: 60_000 }, [], full, NOW + 60_000)), []);
  assert.deepEqual(kinds(plan({ patienceMs: 60_000 }, [], full, NOW + 60_001)), ["failed"]);
});

test("cancelled: at once where nothing runs, else when it has ended", () => {
  const cancel = { code: "run_cancelled" as const, detail: "It was cancelled." };
  assert.deepEqual(kinds(plan({ cancel })), ["cancelled"]);
  assert.deepEqual(kinds(plan({ cancel }, [attempt()])), ["stop"]);
  assert.deepEqual(kinds(plan({ cancel }, [attempt({ state: "stopping" })])), []);
  assert.deepEqual(kinds(plan({ cancel }, [attempt({ state: "gone" })])), ["cancelled"]);
  assert.deepEqual(kinds(plan({ cancel }, [attempt({ state: "stopping", lostAt: NOW - 60_000 })], [node(n1, { lastSeenAt: 0 }), node(n2)])), ["cancelled"], "a lost node is not waited for");
});

test("an attempt that ended while it was told to stop has the outcome that it had", () => {
  assert.equal(outcomeOf(done(0, { state: "gone" })), "succeeded");
  assert.equal(outcomeOf(attempt({ state: "gone" })), "failed");
  assert.equal(outcomeOf(attempt({ phase: "failed" })), "failed");
  assert.equal(outcomeOf(attempt({ phase: "completed", exitCode: 0, problem: { code: "job_deadline", detail: "", logTail: [] } })), "failed");
});
