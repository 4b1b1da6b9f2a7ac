/** Layers on a node: what a layer says becomes files, whatever it says nothing else does, and half a layer is never used. */
import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { gunzipSync, zstdCompressSync } from "node:zlib";
import { LAYER_STORE_UID_BASE } from "../../core/domain/id-ranges.ts";
import { run } from "../../core/host/spawn.ts";
import { rawHeader, tarOf, type Entry } from "../support/contexts.ts";
import { busybox, digestOf, layerOf, type TestLayer } from "../support/layers.ts";
import { HTTPD, shell, testTenant, TestNode, until } from "../support/node.ts";
import { PATIENCE } from "../support/patience.ts";

const MAX_LAYER_BYTES = 32 * 2 ** 20;
const END = Buffer.alloc(1024);
const TAR = "application/vnd.oci.image.layer.v1.tar";

let node: TestNode;
/** Names that hostile archives try to write to or to read. */
let canary: string;
before(async () => {
  canary = mkdtempSync(join(tmpdir(), "berth-canary-"));
  node = await TestNode.start({ BERTH_LAYER_BYTES: String(MAX_LAYER_BYTES), BERTH_LAYER_ENTRIES: "2000" });
});
after(async () => {
  await node?.stop();
  rmSync(canary, { recursive: true, force: true });
});

const layer = async (...entries: Entry[]) => layerOf(await tarOf(...entries));
const file = (name: string, text: string): Buffer => {
  const content = Buffer.from(text);
  return Buffer.concat([rawHeader(name, { size: content.length }), content, Buffer.alloc((512 - (content.length % 512)) % 512)]);
};
const archive = (...parts: Buffer[]) => layerOf(Buffer.concat([...parts, END]));
const layers = () => readdirSync(node.path("layers")).toSorted();

/** What a container of busybox with these layers on top prints. */
async function look(script: string, ...more: TestLayer[]): Promise<string[]> {
  const { desired } = await node.ready({ args: shell(`${script}\nexec httpd -f -p 8080`), layers: [busybox(), ...more], stopGraceMs: 0 });
  return (await node.logs(desired.id)).map(({ text }) => text);
}

/** The instance fails, the layer is not there, nothing is left of the try. */
async function refused(bad: TestLayer, detail: RegExp): Promise<void> {
  const before = layers();
  const report = await node.failed({ args: HTTPD, layers: [busybox(), bad] });
  assert.equal(report.problem?.code, "image_pull_failed");
  assert.match(report.problem?.detail ?? "", detail);
  assert.deepEqual(layers().filter((name) => name !== busybox().diffId.slice(7, 31)), before.filter((name) => name !== busybox().diffId.slice(7, 31)));
  assert.deepEqual(readdirSync(node.path("unpacking")), []);
  await until(() => readdirSync(node.path("unpack")).length === 0);
  assert.deepEqual(readdirSync(canary), []);
}

test("tar, gzip and zstd; owners, modes, links, attributes", async () => {
  const plain = await tarOf({ name: "d/", type: "directory", uid: 1000, gid: 1001, mode: 0o751 }, ["d/plain", "plain"]);
  const zstd = await tarOf({ name: "s", mode: 0o4755, pax: { "SCHILY.xattr.user.kept": "yes", "SCHILY.xattr.user.overlay.redirect": "/etc", "SCHILY.xattr.trusted.overlay.redirect": "/etc" } }, {
    name: "hard", type: "link", linkname: "s",
  }, { name: "soft", type: "symlink", linkname: "/etc/hostname" });
  const compressed = zstdCompressSync(zstd);
  const lines = await look(
    "cat /d/plain; echo; stat -c '%u:%g %a' /d; stat -c '%a %h' /s; readlink /soft; cat /soft",
    { bytes: plain, digest: digestOf(plain), diffId: digestOf(plain), sizeBytes: plain.length, mediaType: TAR },
    { bytes: compressed, digest: digestOf(compressed), diffId: digestOf(zstd), sizeBytes: compressed.length, mediaType: `${TAR}+zstd` },
  );
  assert.deepEqual(lines, ["plain", "1000:1001 751", "4755 2", "/etc/hostname", "web"]);
  const stored = node.path("layers", digestOf(zstd).slice(7, 31), "s");
  const { stdout } = await run(["python3", "-c", "import os,sys; s=os.stat(sys.argv[1]); print(sorted(os.listxattr(sys.argv[1])), s.st_uid)", stored]);
  assert.equal(stdout.trim(), `['user.kept'] ${LAYER_STORE_UID_BASE}`);
});

test("whiteouts hide what is below, an opaque directory all of it, in any order", async () => {
  const below = await layer(["w/a", "a"], ["w/b", "b"], ["o/old", "old"], ["o/sub/old", "old"], ["gone/deep/x", "x"], ["back", "old"]);
  const above = await layer(["w/.wh.a", ""], ["o/new", "new"], ["o/.wh..wh..opq", ""], [".wh.gone", ""], [".wh.never", ""], ["back", "new"], [".wh.back", ""]);
  const again = await layer(["gone/y", "y"]);
  const lines = await look("ls /w; echo; ls -A /o; echo; ls -R /gone; echo; cat /back; echo; ls -A / | grep wh", below, above, again);
  assert.deepEqual(lines.filter(Boolean), ["b", "new", "/gone:", "y", "new"]);
});

test("duplicate entries: the last one counts; device nodes are left out, pipes are harmless", async () => {
  const odd = archive(file("twice", "one"), file("twice", "two"), rawHeader("disk", { type: "4" }), rawHeader("tty9", { type: "3" }), rawHeader("pipe", { type: "6" }), file("after", "after"));
  assert.deepEqual(await look("cat /twice /after; echo; ls -d /disk /tty9 2>/dev/null; [ -p /pipe ] && echo pipe", odd), ["twoafter", "pipe"]);
});

test("no name leads out of the layer", async () => {
  const up = "../".repeat(12);
  await refused(archive(file(`${up}${canary.slice(1)}/x`, "x")), /cannot be unpacked/);
  await refused(archive(file(`a/${up}${canary.slice(1)}/x`, "x")), /cannot be unpacked/);
  // An absolute name is one of the image's.
  assert.deepEqual(await look("cat /tmp/absolute; echo", archive(file("/tmp/absolute", "inside"))), ["inside"]);
  const through = archive(rawHeader("out", { type: "2", linkname: canary }), file("out/x", "x"));
  const around = archive(rawHeader("up", { type: "2", linkname: `${up}${canary.slice(1)}` }), file("up/x", "x"));
  const hard = archive(rawHeader("shadow", { type: "1", linkname: "/etc/shadow" }), file("shadow", "x"));
  for (const bad of [through, around, hard]) {
    // Refused, or turned into something within the image; never the host's.
    const desired = node.instance({ args: HTTPD, layers: [busybox(), bad] });
    node.add(desired);
    await node.untilReport(desired.id, (report) => report?.phase === "ready" || report?.phase === "failed");
    assert.deepEqual(readdirSync(canary), []);
  }
  // A symlink of a lower layer does not carry a higher one's file out either.
  const lower = archive(rawHeader("out", { type: "2", linkname: canary }));
  const upper = archive(file("out/x", "x"));
  assert.deepEqual(await look("cat /out/x; echo", lower, upper), ["x"]);
  assert.deepEqual(readdirSync(canary), []);
});

test("a whiteout in a directory that is one itself goes with it", async () => {
  const odd = archive(rawHeader(".wh.d/", { type: "5", mode: 0o755 }), file(".wh.d/.wh.x", ""), file(".wh.d/f", "f"), file("seen", "s"));
  assert.deepEqual(await look("ls -A / | grep -c wh; cat /seen; echo", odd), ["0", "s"]);
});

test("whiteouts that name nothing are refused", async () => {
  for (const name of [".wh.", ".wh..", ".wh...", "d/.wh..."]) await refused(archive(file(name, "")), /whiteout/);
});

test("bytes that are not the promised ones", async () => {
  const good = await layer(["x", "x".repeat(5000)]);
  const flipped = Buffer.from(good.bytes);
  flipped[20] = (flipped[20] ?? 0) ^ 1;
  await refused({ ...good, bytes: flipped }, /has the digest sha256/);
  await refused({ ...good, bytes: Buffer.concat([good.bytes, Buffer.from("more")]) }, /more than its/);
  const short = good.bytes.subarray(0, good.bytes.length - 8);
  await refused({ ...good, bytes: short }, /bytes instead of/);
  await refused({ ...good, bytes: short, digest: digestOf(short), sizeBytes: short.length }, /cannot be unpacked/);
  await refused({ ...good, diffId: digestOf(Buffer.from("other")) }, /unpacks to/);
  await refused({ ...good, mediaType: `${TAR}+xz` }, /cannot be unpacked/);
  const noTar = Buffer.from("this is not a tar archive at all".repeat(100));
  await refused(layerOf(noTar), /cannot be unpacked/);
});

test("bombs are cut off", async () => {
  const startedAt = performance.now();
  const zeros = Buffer.alloc(2 * MAX_LAYER_BYTES);
  await refused(archive(rawHeader("zeros", { size: zeros.length }), zeros), /larger than 33554432 bytes/);
  await refused(archive(...Array.from({ length: 3000 }, (_, index) => rawHeader(`f${index}`))), /more than 2000 entries/);
  assert.ok(performance.now() - startedAt < 20_000 * PATIENCE);
});

test("a layer is fetched once, however many ask for it; a store that fails for a moment is asked again", async () => {
  const shared = await layer(["shared", "s"]);
  let failures = 2;
  node.onPull = async (digest) => {
    await sleep(50);
    if (digest === shared.digest && failures-- > 0) throw new Error("away");
  };
  const wanted = [1, 2, 3].map(() => node.instance({ args: HTTPD, layers: [busybox(), shared] }));
  node.add(...wanted);
  for (const { id } of wanted) await node.until(id, "ready");
  node.onPull = undefined;
  assert.equal(node.pulls.get(shared.digest), 3);
  const missing = await layer(["missing", "m"]);
  node.onPull = (digest) => {
    if (digest === missing.digest) throw new Error("away");
  };
  const report = await node.failed({ args: HTTPD, layers: [missing] });
  node.onPull = undefined;
  assert.equal(report.problem?.code, "image_pull_failed");
});

test("who names the content of another's layer must have brought it", async () => {
  const secret = await layer(["secret", "of the first tenant"]);
  const bait = await layer(["bait", "b"]);
  await look("cat /secret", secret);
  // A blob of one's own that claims to unpack to it, before and after an agent that forgot what it knew.
  const claim = { ...bait, diffId: secret.diffId };
  for (const restarts of [false, true]) {
    if (restarts) {
      await node.killAgent();
      await node.startAgent();
    }
    const report = await node.failed({ args: HTTPD, layers: [busybox(), claim] });
    assert.match(report.problem?.detail ?? "", /unpacks to/);
  }
  // The same content, compressed in another way: verified once, then known.
  const recompressed = zstdCompressSync(gunzipSync(secret.bytes));
  const honest = { ...secret, bytes: recompressed, digest: digestOf(recompressed), sizeBytes: recompressed.length, mediaType: `${TAR}+zstd` };
  for (let round = 0; round < 2; round++) assert.deepEqual(await look("cat /secret; echo", honest), ["of the first tenant"]);
  assert.deepEqual([node.pulls.get(secret.digest), node.pulls.get(honest.digest)], [1, 1]);
  assert.deepEqual(await look("cat /secret; echo", secret), ["of the first tenant"]);
});

test("a false claim spoils nothing for whoever asks for the same content meanwhile", async () => {
  const good = await layer(["good", "g"]);
  const claim = { ...(await layer(["false", "f"])), diffId: good.diffId };
  const released = Promise.withResolvers<void>();
  node.onPull = (digest) => (digest === claim.digest ? released.promise : undefined);
  const liar = node.instance({ args: HTTPD, layers: [busybox(), claim] });
  node.add(liar);
  await until(() => (node.pulls.get(claim.digest) ?? 0) > 0);
  const honest = node.instance({ args: HTTPD, layers: [busybox(), good] });
  node.add(honest);
  try {
    await node.until(honest.id, "ready", 10_000);
  } finally {
    released.resolve();
    node.onPull = undefined;
  }
  await node.until(liar.id, "failed");
});

test("kill -9 while unpacking: no half layer is seen, the next agent fetches it whole", async () => {
  const content = Buffer.alloc(16 * 2 ** 20, "0123456789abcdef");
  for (let round = 0; round < 4; round++) {
    const big = archive(file(`big${round}`, content.toString("latin1")));
    const desired = node.instance({ args: shell(`wc -c < /big${round}; exec httpd -f -p 8080`), layers: [busybox(), big], stopGraceMs: 0 });
    node.add(desired);
    const name = big.diffId.slice(7, 31);
    await until(() => readdirSync(node.path("unpacking")).some((each) => each.startsWith(name)) || existsSync(node.path("index", name)));
    await sleep(round * 25);
    await node.killAgent();
    await node.startAgent();
    await node.until(desired.id, "ready");
    assert.deepEqual((await node.logs(desired.id)).map(({ text }) => text), [String(content.length)]);
    await until(() => readdirSync(node.path("unpacking")).length === 0);
  }
  await until(() => readdirSync(node.path("unpack")).length === 0, 5000, () => readdirSync(node.path("unpack")).join());
});

test("one tenant's writes are another's never: the layer is the same afterwards", async () => {
  const shared = await layer(["shared", "as it was"], { name: "dir/", type: "directory", mode: 0o777 });
  const first = await look("echo changed > /shared; rm -rf /dir; cat /shared; chmod 777 /shared", shared);
  const second = await look("cat /shared; echo; ls -d /dir", shared);
  assert.deepEqual([first, second], [["changed"], ["as it was", "/dir"]]);
});

test("where no files can be shown with other ids, each tenant has a copy with its own, made once", async () => {
  const other = await TestNode.start({ BERTH_LAYER_SHARING: "copied" });
  try {
    const lower = await layer({ name: "hidden/", type: "directory", mode: 0o755 }, ["hidden/f", "f"], { name: "s", mode: 0o4755, uid: 1000, gid: 1001, pax: { "SCHILY.xattr.user.kept": "yes" } }, { name: "hard", type: "link", linkname: "s" });
    const upper = archive(file(".wh.hidden", ""), file("seen", "s"));
    const wish = { args: shell("stat -c '%u:%g %a %h' /s; cat /seen; echo; ls -d /hidden 2>/dev/null; echo changed >/s; exec httpd -f -p 8080"), layers: [busybox(), lower, upper], stopGraceMs: 0 };
    for (const tenant of [testTenant(), testTenant()]) {
      const { desired } = await other.ready(wish, tenant);
      await other.ready(wish, tenant);
      assert.deepEqual((await other.logs(desired.id)).map(({ text }) => text), ["1000:1001 4755 2", "s"]);
      const copies = join(other.path("copies"), tenant.tenantId);
      assert.equal(readdirSync(copies).length, 4);
      const copied = join(copies, lower.diffId.slice(7, 31));
      assert.deepEqual([statSync(join(copied, "s")).uid, readFileSync(join(copied, "s"), "utf8")], [tenant.uidBase + 1000, "x"]);
    }
  } finally {
    await other.stop();
  }
});
