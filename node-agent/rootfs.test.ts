import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { BadPath, ensureDirectory, readWithin, resolveWithin, writeWithin } from "./rootfs.ts";

/** An image's root directory beside a directory of the host's that nothing may lead to. */
function makeRoot(t: TestContext) {
  const dir = mkdtempSync(join(tmpdir(), "berth-rootfs-"));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  const [root, outside] = [join(dir, "root"), join(dir, "outside")];
  mkdirSync(join(root, "etc"), { recursive: true });
  mkdirSync(outside);
  writeFileSync(join(outside, "secret"), "secret");
  writeFileSync(join(root, "etc/passwd"), "inside");
  return { root, outside };
}
const uid = process.getuid?.() ?? 0;

test("links are followed as a process inside would follow them", (t) => {
  const { root, outside } = makeRoot(t);
  symlinkSync("/etc", join(root, "absolute"));
  symlinkSync("../../../../etc", join(root, "up"));
  symlinkSync(outside, join(root, "out"));
  symlinkSync("out/secret", join(root, "secret"));
  for (const path of ["/etc/passwd", "absolute/passwd", "/up/passwd", "/../../etc/passwd", "/etc/./../up/passwd"]) {
    assert.equal(readWithin(root, path, 100), "inside", path);
  }
  assert.equal(readWithin(root, "/out/secret", 100), "");
  assert.equal(readWithin(root, "/secret", 100), "");
  assert.equal(readWithin(root, "/etc", 100), "");
  assert.equal(readWithin(root, "/etc/passwd", 3), "ins");
  assert.deepEqual(resolveWithin(root, "/out/x"), { real: root, missing: [...outside.split("/").filter(Boolean), "x"] });
});

test("directories are made inside, wherever links lead", (t) => {
  const { root, outside } = makeRoot(t);
  symlinkSync(outside, join(root, "out"));
  ensureDirectory(root, "/out/made", uid);
  assert.deepEqual(readdirSync(outside), ["secret"]);
  assert.ok(existsSync(join(root, outside, "made")));
  ensureDirectory(root, "/../../a/b", uid);
  assert.ok(statSync(join(root, "a/b")).isDirectory());
  ensureDirectory(root, "/a/b", uid);
  ensureDirectory(root, "/", uid);
});

test("paths that make no sense", (t) => {
  const { root } = makeRoot(t);
  symlinkSync("/loop", join(root, "loop"));
  for (const path of ["/loop", "/loop/x", "/etc/passwd", "/a\0b", "/not/here/../../..", "/d".repeat(200)]) assert.throws(() => ensureDirectory(root, path, uid), BadPath, path);
  assert.throws(() => ensureDirectory(root, "/etc/passwd/x", uid));
});

test("a file is written in the place of whatever has its name, never through a link, and only when it differs", (t) => {
  const { root, outside } = makeRoot(t);
  symlinkSync(join(outside, "secret"), join(root, "etc/hosts"));
  symlinkSync(outside, join(root, "out"));
  for (const path of ["/etc/hosts", "/out/hosts", "/new/dir/hosts"]) {
    writeWithin(root, path, "text", uid);
    assert.equal(readWithin(root, path, 100), "text", path);
  }
  assert.deepEqual(readdirSync(outside), ["secret"]);
  const inode = () => statSync(join(root, "etc/hosts")).ino;
  const before = inode();
  writeWithin(root, "/etc/hosts", "text", uid);
  assert.equal(inode(), before);
  writeWithin(root, "/etc/hosts", "tex2", uid);
  assert.equal(readWithin(root, "/etc/hosts", 100), "tex2");
  mkdirSync(join(root, "etc/taken"));
  assert.throws(() => writeWithin(root, "/etc/taken", "text", uid), BadPath);
});
