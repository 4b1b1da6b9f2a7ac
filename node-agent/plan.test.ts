import assert from "node:assert/strict";
import { test } from "node:test";
import type { InstanceId } from "../core/contract/ids.ts";
import type { DesiredInstance } from "../core/contract/node-channel.ts";
import { accepts, compressionOf, explainExec, explainExecFailure, explainNotReady, judge, layersToEvict, namesDelayMs, parseListeners, planInstances, probePauseMs, restartPauseMs } from "./plan.ts";

const id = (text: string) => text as InstanceId;
const instance = (text: string) => ({ id: id(text) }) as DesiredInstance;

test("what is wanted and not here is started, what is here and not wanted is stopped, the rest gets its new URLs", () => {
  const actions = planInstances([instance("a"), instance("b")], new Set([id("b"), id("c")]));
  assert.deepEqual(actions.map((action) => `${action.kind} ${action.kind === "stop" ? action.id : action.instance.id}`), ["start a", "refresh b", "stop c"]);
  assert.deepEqual(planInstances([], new Set()), []);
});

test("names are gathered for a twentieth of a cpu, and never longer than whoever has just started waits", () => {
  assert.deepEqual([0, 2, 40, 400].map(namesDelayMs), [10, 40, 800, 1000]);
});

test("an older desired state is refused, the same one is not", () => {
  assert.equal(accepts(5, { generation: 4 }), false);
  assert.equal(accepts(5, { generation: 5 }), true);
  assert.equal(accepts(5, { generation: 6 }), true);
});

test("a crash waits 100 ms, the pause doubles up to a minute", () => {
  assert.deepEqual([1, 2, 3, 4, 11, 500].map(restartPauseMs), [100, 200, 400, 800, 60_000, 60_000]);
});

test("probes are dense at first and a second apart in the end", () => {
  assert.deepEqual([0, 50, 500, 5000, 60_000].map(probePauseMs), [5, 5, 50, 500, 1000]);
});

test("layers go least recently used first, until the rest fits; never those in use", () => {
  const entries = [
    { name: "old-used", bytes: 50, usedAt: 1 },
    { name: "old", bytes: 30, usedAt: 2 },
    { name: "new", bytes: 30, usedAt: 3 },
  ];
  assert.deepEqual(layersToEvict(entries, new Set(["old-used"]), 110), []);
  assert.deepEqual(layersToEvict(entries, new Set(["old-used"]), 100), ["old"]);
  assert.deepEqual(layersToEvict(entries, new Set(["old-used"]), 10), ["old", "new"]);
});

test("media types of Docker and OCI", () => {
  assert.equal(compressionOf("application/vnd.oci.image.layer.v1.tar"), "none");
  assert.equal(compressionOf("application/vnd.oci.image.layer.v1.tar+gzip"), "gzip");
  assert.equal(compressionOf("application/vnd.oci.image.layer.v1.tar+zstd"), "zstd");
  assert.equal(compressionOf("application/vnd.docker.image.rootfs.diff.tar.gzip"), "gzip");
  assert.equal(compressionOf("application/vnd.oci.image.layer.v1.tar+xz"), undefined);
  assert.equal(compressionOf(""), undefined);
});

const TCP = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 0 100 0 0 10 0
   1: 00000000:270F 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 2 1 0 100 0 0 10 0
   2: 1000C90A:1F90 0100000A:C350 01 00000000:00000000 00:00000000 00000000     0        0 3 1 0 100 0 0 10 0
`;
const TCP6 = `  sl  local_address                         remote_address                        st
   0: 00000000000000000000000000000000:0BB8 00000000000000000000000000000000:0000 0A 0 0
   1: 00000000000000000000000001000000:1F90 00000000000000000000000000000000:0000 0A 0 0
   2: 0000000000000000FFFF00000100007F:0050 00000000000000000000000000000000:0000 0A 0 0
`;

test("listening sockets as the kernel lists them", () => {
  assert.deepEqual(parseListeners(TCP), [{ address: "loopback", port: 8080 }, { address: "any", port: 9999 }]);
  assert.deepEqual(parseListeners(TCP6), [{ address: "any", port: 3000 }, { address: "loopback", port: 8080 }, { address: "loopback", port: 80 }]);
  assert.deepEqual(parseListeners(""), []);
});

test("why an app is not ready", () => {
  const why = (listeners: Parameters<typeof explainNotReady>[1], path?: string) => explainNotReady(8080, listeners, 60_000, path === undefined ? { kind: "tcp" } : { kind: "http", path });
  assert.equal(why([]).code, "app_not_listening");
  assert.equal(why([{ address: "loopback", port: 5000 }]).code, "app_not_listening");
  const wrong = why([{ address: "any", port: 9000 }, { address: "any", port: 3000 }, { address: "any", port: 3000 }]);
  assert.equal(wrong.code, "app_wrong_port");
  assert.match(wrong.detail, /listens on port 3000, 9000, not on 8080.*--port 3000/);
  const loopback = why([{ address: "loopback", port: 8080 }, { address: "any", port: 9000 }]);
  assert.match(loopback.detail, /127\.0\.0\.1 only/);
  assert.match(why([{ address: "any", port: 8080 }], "/up").detail, /did not answer GET \/up with 200 to 399 within 60 s/);
});

test("a program that the kernel refuses, and an app that says something alike", () => {
  assert.match(explainExec("exec container process (missing dynamic library?) `/a`: No such file or directory")?.detail ?? "", /«\/a» could not be started: its interpreter/);
  assert.match(explainExec("exec container process `/b`: Exec format error")?.detail ?? "", /not made for this machine/);
  assert.equal(explainExec("exec: no such file"), undefined);
  assert.equal(explainExec(""), undefined);
});

test("a check counts as otherwise after so many in a row, and not before", () => {
  const limits = { failures: 3, successes: 2 };
  const said = (answers: string) => {
    let health = { isWell: true, against: 0 };
    return [...answers].map((answer) => (health = judge(health, answer === "+", limits)).isWell ? "+" : "-").join("");
  };
  assert.equal(said("+--+--+"), "+++++++");
  assert.equal(said("---+-++"), "++----+");
  assert.equal(said("---++--+---"), "++--++++++-");
});

test("why a program could not be started beside the app", () => {
  assert.match(explainExecFailure("x", "executable file `x` not found in $PATH: No such file or directory"), /«x» is not in the image/);
  assert.match(explainExecFailure("x", "the path `/x` exists but it is not executable: Operation not permitted"), /may not be executed/);
  assert.match(explainExecFailure("x", "exec /x: Exec format error"), /not made for this machine/);
  assert.equal(explainExecFailure("x", ""), "The program «x» could not be started.");
  assert.match(explainExecFailure("x", "first\nlast line\n"), /: last line\.$/);
});
