import assert from "node:assert/strict";
import { existsSync, globSync, readFileSync, rmSync, statSync, truncateSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import koffi from "koffi";
import { newId, type Id } from "../../core/contract/ids.ts";
import type { DesiredInstance } from "../../core/contract/node-channel.ts";
import type { DesiredMount, DesiredVolume } from "../../core/contract/node-volumes.ts";
import { loopsOf } from "../../core/host/disks.ts";
import { run } from "../../core/host/spawn.ts";
import { ioLimits } from "../support/groups.ts";
import { IN_GVISOR } from "../support/gvisor.ts";
import { shell, TestNode, testTenant, until, type InstanceWish } from "../support/node.ts";

const MIB = 2 ** 20;
let node: TestNode;
const tenant = testTenant();
before(async () => {
  node = await TestNode.start();
});
after(() => node?.stop());

const volume = (more: Partial<DesiredVolume> = {}): DesiredVolume => ({ id: newId("volume"), version: 1, uidBase: tenant.uidBase, sizeBytes: 32 * MIB, want: "make", ...more });
const at = ({ id, version }: Pick<DesiredVolume, "id" | "version">, path = "/data", readOnly = false): DesiredMount => ({ volume: "data", image: { id, version }, path, readOnly });
const image = (of: Pick<DesiredVolume, "id" | "version">, on = node) => on.path("volumes", of.id, `${of.version}.img`);
/** Serves what it made of the script on /data. */
const serving = (script: string) => shell(`{ ${script}\n} > /dev/shm/out 2>&1; exec httpd -f -p 8080 -h /`);
const out = async (url: string) => (await fetch(`${url}/dev/shm/out`)).text();
const hasEnded = (id: DesiredInstance["id"], on = node) => on.until(id, "gone");

async function runWith(one: DesiredVolume, script: string, { on = node, ...wish }: Partial<InstanceWish> & { on?: TestNode } = {}) {
  const made = await on.ready({ args: serving(script), mounts: [at(one)], stopGraceMs: 200, ...wish }, tenant);
  return { ...made, text: await out(made.url), end: async () => {
    on.want(...on.desired.filter(({ id }) => id !== made.desired.id));
    await hasEnded(made.desired.id, on);
  } };
}

const CONTENT = "ls -lAn /data /data/dir && cd /data && find . -type f | sort | xargs sha256sum && stat -c '%n %a %u:%g %h %Y' $(find . | sort)";
/** gVisor keeps pipes to itself. */
const FILL = `cd /data && mkdir -m 2750 dir && echo hello > dir/a && chown 1234:77 dir/a && chmod 4711 dir/a && ln dir/a dir/b && ln -s ../nowhere dir/c && ${IN_GVISOR ? "true" : "mkfifo dir/f"} && dd if=/dev/urandom of=big bs=1M count=3 && dd if=/dev/zero of=sparse bs=1 count=1 seek=1000000 && touch -d '2001-02-03 04:05:06' dir/a && sync`;

/** As the agent sees it, whose mounts are its own. */
const inAgent = (path: string) => join("/proc", String(node.agentPid), "root", path);
const libc = koffi.load("libc.so.6");
const setxattr = libc.func("int setxattr(const char *path, const char *name, const char *value, size_t size, int flags)");
const getxattr = libc.func("long getxattr(const char *path, const char *name, _Out_ uint8_t *value, size_t size)");

test("a volume is as large as it is, and not one byte more; a neighbour has its own", async () => {
  const [full, other] = [volume({ sizeBytes: 16 * MIB }), volume()];
  node.wantVolumes(full, other);
  const sees = await runWith(full, "dd if=/dev/zero of=/data/x bs=64k; dd if=/dev/zero of=/other/x bs=1M count=4; df -k /data | tail -1; wc -c < /data/x", { mounts: [at(full), at(other, "/other")] });
  assert.match(sees.text, /No space left on device[\s\S]*4\+0 records out/);
  const bytes = Number(sees.text.trim().split("\n").at(-1));
  assert.ok(bytes > 8 * MIB && bytes < 16 * MIB, sees.text);
  assert.equal(statSync(image(full)).size, 16 * MIB);
  const limited = ioLimits(`berth-${node.prefix}/${sees.desired.id}`).filter((line) => /^7:\d+ write_bps/.test(line));
  assert.equal(limited.length, 3, `its disk's and both volumes': ${limited.join()}`);
  // Promised is promised: its blocks are taken from the host at once.
  assert.ok(statSync(image(full)).blocks * 512 >= 16 * MIB);
  await sees.end();
});

test("what is in it stays across instances, users and agents; a stranger's ids are not in it", async () => {
  const one = volume();
  node.wantVolumes(one);
  const first = await runWith(one, "id -u; echo kept > /data/file; ls -lan /data; ls -a /data", { user: "1000:1000" });
  assert.match(first.text, /^1000\n[\s\S]*1000 +1000 [^\n]*file\n\.\n\.\.\nfile\n$/, "the empty volume belongs to the user who mounts it, and has nothing in it");
  const { pid } = JSON.parse(readFileSync(node.path("instances", first.desired.id, "state.json"), "utf8")) as { pid: number };
  await node.killAgent();
  await node.startAgent();
  await node.until(first.desired.id, "ready");
  assert.equal(JSON.parse(readFileSync(node.path("instances", first.desired.id, "state.json"), "utf8")).pid, pid, "the new agent touches nothing");
  await first.end();
  await until(() => loopsOf(image(one)).length === 0, 10_000, () => "it is still mounted");
  const second = await runWith(one, "cat /data/file; touch /data/file || echo read-only", { mounts: [at(one, "/data", true)] });
  assert.match(second.text, /^kept\n.*Read-only file system\nread-only\n$/);
  const { stdout } = await run(node.inside("stat", "-c", "%u %a", node.path("volumes", one.id, "1", "data", "file")));
  assert.equal(stdout.trim(), `${tenant.uidBase + 1000} 644`);
  await second.end();
});

test("a snapshot of a running app, restored on another node, is the same to the last attribute", async () => {
  const one = volume();
  node.wantVolumes(one);
  const running = await runWith(one, `${FILL} && ${CONTENT}`);
  setxattr(inAgent(node.path("volumes", one.id, "1", "data", "big")), "user.note", "mine", 4, 0);
  const id = newId("snapshot");
  node.wantVolumes({ ...one, want: "keep", snapshot: { id, isStopped: false } });
  await until(() => node.snapshots.has(id));
  const packed = node.snapshots.get(id)?.bytes.length ?? 0;
  assert.ok(packed > 3 * MIB && packed < 5 * MIB, `free blocks are no part of it: ${packed} bytes`);
  assert.equal((await fetch(`${running.url}/dev/shm/out`)).status, 200, "it runs on");
  const elsewhere = await TestNode.start();
  try {
    const copy = { ...one, version: 2, sizeBytes: 64 * MIB, source: node.sourceOf(id) };
    elsewhere.wantVolumes(copy as DesiredVolume);
    await elsewhere.untilVolume(copy, ({ state, sizeBytes }) => state === "whole" && sizeBytes === 64 * MIB);
    const restored = await runWith(copy as DesiredVolume, CONTENT, { on: elsewhere });
    assert.equal(restored.text.slice(restored.text.indexOf("total")), running.text.slice(running.text.indexOf("total")));
    const value = Buffer.alloc(16);
    const path = join("/proc", String(elsewhere.agentPid), "root", elsewhere.path("volumes", one.id, "2", "data", "big"));
    assert.equal(value.toString("utf8", 0, getxattr(path, "user.note", value, 16)), "mine");
  } finally {
    await elsewhere.stop();
  }
  assert.deepEqual(globSync("/sys/block/loop*/loop/backing_file").filter((file) => existsSync(file) && readFileSync(file, "utf8").includes(elsewhere.dir)), []);
  await running.end();
});

test("an agent that is killed in the middle of a snapshot leaves nothing frozen and nothing half; the next one takes it", async () => {
  const one = volume();
  node.wantVolumes(one);
  const running = await runWith(one, "echo 1 > /data/a; (while sleep 0.1; do date > /data/now; sync; done) &");
  const held = Promise.withResolvers<number | undefined>();
  let asked = 0;
  node.onSnapshot = () => (asked++, held.promise);
  const id = newId("snapshot");
  node.wantVolumes({ ...one, want: "keep", snapshot: { id, isStopped: false } });
  await until(() => asked > 0);
  const target = node.path("volumes", one.id, "1");
  // As if it had died a moment earlier, while nothing could be written.
  await run(node.inside("fsfreeze", "--freeze", target));
  await node.killAgent();
  await node.startAgent();
  await run(node.inside("timeout", "5", "touch", join(target, "data", "thawed")));
  node.onSnapshot = undefined;
  held.resolve(503);
  await until(() => node.snapshots.has(id));
  await until(() => globSync(node.path("volumes", one.id, "*")).length === 2, 10_000, () => globSync(node.path("volumes", one.id, "*")).join(" "));
  await running.end();
});

test("a damaged snapshot, or one of which bytes are missing, makes no image; the volume is as it was", async () => {
  const one = volume();
  const id = newId("snapshot");
  node.wantVolumes(one);
  await node.untilVolume(one, ({ state }) => state === "whole");
  node.wantVolumes({ ...one, want: "keep", snapshot: { id, isStopped: true } });
  await until(() => node.snapshots.has(id));
  const taken = node.snapshots.get(id);
  assert.ok(taken);
  const source = node.sourceOf(id);
  assert.ok(source);
  for (const [version, bytes, problem] of [
    [2, Buffer.concat([taken.bytes.subarray(0, -1), Buffer.of(1)]), /damaged/],
    [3, taken.bytes.subarray(0, -100), /damaged/],
    [4, Buffer.concat([taken.bytes, Buffer.alloc(1000)]), /more than its/],
  ] as const) {
    node.snapshots.set(id, { ...taken, bytes });
    const next = { ...one, version, source };
    node.wantVolumes({ ...one, want: "keep" }, next);
    await node.untilVolume(next, (said) => said.state === "making" && problem.test(said.problem ?? ""));
    assert.ok(!existsSync(image(next)));
  }
  assert.deepEqual(globSync(node.path("volumes", one.id, "*.new*")), []);
  node.wantVolumes({ ...one, want: "keep" });
  const still = await runWith({ ...one, want: "keep" }, "ls -a /data");
  await still.end();
});

test("a volume that is gone from its node, or that the node has no room for, is not silently made anew", async () => {
  const one = volume();
  node.wantVolumes(one);
  await node.untilVolume(one, ({ state }) => state === "whole");
  node.wantVolumes({ ...one, want: "keep" });
  rmSync(image(one));
  const failed = await node.failed({ args: serving("true"), mounts: [at(one)] }, tenant);
  assert.equal(failed.problem?.code, "volume_failed");
  assert.match(failed.problem?.detail ?? "", /does not have it any more/);
  await node.untilVolume(one, ({ state }) => state === "missing");
  assert.ok(!existsSync(image(one)));
  const large = volume({ sizeBytes: 2 ** 43 });
  node.wantVolumes(large);
  const tooLarge = await node.failed({ args: serving("true"), mounts: [at(large)] }, tenant);
  assert.match(tooLarge.problem?.detail ?? "", /the node has no room for it/);
  assert.ok(!existsSync(image(large)));
  const elsewhere = await node.failed({ args: serving("true"), mounts: [{ ...at(one), image: null }] }, tenant);
  assert.match(elsewhere.problem?.detail ?? "", /not on this node/);
  const snapshot = newId("snapshot") as Id<"snapshot">;
  node.wantVolumes({ ...one, want: "keep", snapshot: { id: snapshot, isStopped: true } });
  await until(() => node.heard.some((message) => message.type === "report" && message.volumes?.failedSnapshots.some((each) => each.id === snapshot)));
  node.want();
});

test("a damaged file system is said, not mounted and not thrown away", async () => {
  const one = volume();
  node.wantVolumes(one);
  await node.untilVolume(one, ({ state }) => state === "whole");
  truncateSync(image(one), 100_000);
  node.wantVolumes({ ...one, want: "keep" });
  const failed = await node.failed({ args: serving("true"), mounts: [at(one)] }, tenant);
  assert.match(failed.problem?.detail ?? "", /cannot be mounted: the file system needs repair/);
  assert.ok(!failed.problem?.detail.includes(node.dir), "where it is on the host is nobody's business");
  assert.equal(statSync(image(one)).size, 100_000);
  node.want();
});

test("it grows, and goes only when it is told to and nobody uses it", async () => {
  const one = volume();
  node.wantVolumes(one);
  const first = await runWith(one, "echo kept > /data/file");
  node.wantVolumes({ ...one, want: "keep", sizeBytes: 64 * MIB });
  await first.end();
  await node.untilVolume(one, ({ sizeBytes }) => sizeBytes === 64 * MIB);
  const second = await runWith({ ...one, want: "keep", sizeBytes: 64 * MIB }, "cat /data/file; df -k /data | tail -1 | awk '{print $2}'");
  const [kept, kilobytes] = second.text.trim().split("\n");
  assert.equal(kept, "kept");
  assert.ok(Number(kilobytes) > 50_000, second.text);
  node.wantVolumes({ ...one, want: "gone" });
  await node.until(second.desired.id, "ready");
  assert.ok(existsSync(image(one)), "an instance has it");
  // Nor does what is not named go.
  node.wantVolumes();
  await second.end();
  assert.ok(existsSync(image(one)));
  node.wantVolumes({ ...one, want: "gone" });
  await node.untilVolume(one, ({ state }) => state === "missing");
  assert.ok(!existsSync(node.path("volumes", one.id)));
});

test("all containers of an instance see its volume and its scratch; gVisor is no way out of either's size", async () => {
  const one = volume({ sizeBytes: 16 * MIB });
  node.wantVolumes(one);
  const scratch = [{ path: "/scratch", sizeBytes: 16 * MIB }];
  const beside = shell("echo from beside > /data/beside; echo from beside > /scratch/beside; while :; do sleep 0.1; done");
  const both = await runWith(one, "until [ -s /data/beside ] && [ -s /scratch/beside ]; do sleep 0.05; done; cat /data/beside /scratch/beside", { scratch, sidecars: [node.beside("helper", beside, { stopGraceMs: 0 })] });
  assert.equal(both.text, "from beside\nfrom beside\n");
  await both.end();
  const walled = await runWith(one, "cat /data/beside; dd if=/dev/zero of=/data/x bs=64k; wc -c < /data/x", { isolation: "gvisor", readyTimeoutMs: 30_000 });
  assert.match(walled.text, /^from beside\n[\s\S]*No space left on device/);
  assert.ok(Number(walled.text.trim().split("\n").at(-1)) < 16 * MIB, walled.text);
  await walled.end();
});

test("scratch has a size, belongs to the app's user, survives a crash and goes with its instance", async () => {
  const { desired, text, end, url } = await runWith(volume(), "id -u; dd if=/dev/zero of=/scratch/x bs=64k; rm /scratch/x; echo here >> /scratch/file; cat /scratch/file", {
    mounts: [], user: "1000", scratch: [{ path: "/scratch", sizeBytes: 16 * MIB }],
  });
  assert.match(text, /^1000\n[\s\S]*No space left on device[\s\S]*here\n$/);
  process.kill(node.pid(desired.id), "SIGKILL");
  await node.untilReport(desired.id, (report) => report?.phase === "ready" && report.restarts === 1);
  assert.match(await out(url), /here\nhere\n$/);
  await end();
  assert.deepEqual(await node.traces(desired.id), []);
});
