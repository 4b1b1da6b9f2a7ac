/** Images that mean harm: USER, WORKDIR, VOLUME, links where the host writes, and what a process tries from inside. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { rawHeader } from "../support/contexts.ts";
import { IN_GVISOR } from "../support/gvisor.ts";
import { busybox, layerOf, type TestLayer } from "../support/layers.ts";
import { HTTPD, shell, TestNode, testTenant, type InstanceWish } from "../support/node.ts";

let node: TestNode;
/** The host's: whatever an image does, nothing in here changes. */
let canary: string;
before(async () => {
  canary = mkdtempSync(join(tmpdir(), "berth-canary-"));
  writeFileSync(join(canary, "file"), "as it was");
  node = await TestNode.start();
});
after(async () => {
  await node?.stop();
  rmSync(canary, { recursive: true, force: true });
});

const layer = (...entries: Buffer[]) => layerOf(Buffer.concat([...entries, Buffer.alloc(1024)]));
const symlink = (name: string, target: string) => rawHeader(name, { type: "2", linkname: target, mode: 0o777 });
const file = (name: string, text: string) => Buffer.concat([rawHeader(name, { size: text.length, mode: 0o755 }), Buffer.from(text), Buffer.alloc((512 - (text.length % 512)) % 512)]);

/** Ready or failed: the host is the same. */
async function settles(wish: Partial<InstanceWish>, ...more: TestLayer[]) {
  const desired = node.instance({ args: HTTPD, layers: [busybox(), ...more], stopGraceMs: 0, readyTimeoutMs: 3000, ...wish });
  node.add(desired);
  const report = await node.untilReport(desired.id, (each) => each?.phase === "ready" || each?.phase === "failed");
  assert.deepEqual(readdirSync(canary), ["file"]);
  assert.equal(readFileSync(join(canary, "file"), "utf8"), "as it was");
  return { desired, report };
}

test("USER: what cannot be resolved within the image is refused", async () => {
  for (const user of ["nobody-here", "root:nobody-here", "65536", "4294967296", "-1", "0:4294967295", "1:2:3", "../../root"]) {
    const { report } = await settles({ user });
    assert.equal(report.problem?.code, "image_invalid", `${user}: ${JSON.stringify(report)}`);
  }
  const { report } = await settles({ user: "1234:5678", args: shell("id -u; id -g; id -G; exec httpd -f -p 8080") });
  assert.equal(report.phase, "ready");
});

test("USER: names and groups come from the image's own files, never from the host's through a link", async () => {
  const files = layer(file("etc/passwd", "app:x:1000:1001::/home/app:/bin/sh\nbig:x:99999999999:0::/:/bin/sh\n"), file("etc/group", "app:x:1001:\nextra:x:2000:app,big\nmore:x:4294967295:app\n"));
  const { desired } = await settles({ user: "app", args: shell("id -u; id -g; id -G; echo $HOME; exec httpd -f -p 8080") }, files);
  assert.deepEqual((await node.logs(desired.id)).map(({ text }) => text), ["1000", "1001", "1001 2000", "/home/app"]);
  assert.equal((await settles({ user: "big" }, files)).report.problem?.code, "image_invalid");
  // postgres is a user of the host.
  writeFileSync(join(canary, "file"), "as it was");
  const linked = layer(symlink("etc/passwd", "/../../../../../../../../../../etc/passwd"), symlink("etc/group", "/proc/self/root/etc/group"));
  assert.equal((await settles({ user: "postgres" }, linked)).report.problem?.code, "image_invalid");
  const endless = layer(symlink("etc/passwd", "/dev/zero"), rawHeader("etc/group", { type: "6" }));
  assert.equal((await settles({ user: "postgres" }, endless)).report.problem?.code, "image_invalid");
});

test("WORKDIR and VOLUME: made within the image, wherever their links lead", async () => {
  const links = layer(symlink("out", canary), symlink("up", "../".repeat(20) + canary.slice(1)), symlink("loop", "/loop"), file("plain", "x"));
  for (const path of ["/out/made", "/up/made", `${"/..".repeat(20)}${canary}/made`]) {
    const { report, desired } = await settles({ workingDir: path, volumes: [path, `${path}/deeper`], args: shell("pwd -P; exec httpd -f -p 8080") }, links);
    assert.equal(report.phase, "ready", JSON.stringify(report));
    assert.deepEqual((await node.logs(desired.id)).map(({ text }) => text), [`${canary}/made`]);
  }
  for (const path of ["/loop/x", "/plain/x", "/plain"]) {
    assert.equal((await settles({ workingDir: path }, links)).report.problem?.code, "image_invalid", path);
    assert.equal((await settles({ volumes: [path] }, links)).report.problem?.code, "image_invalid", path);
  }
  // No descriptor of the host's is left open for it.
  for (let fd = 3; fd < 40; fd += 4) {
    const { report, desired } = await settles({ workingDir: `/proc/self/fd/${fd}`, args: shell("ls ../../../../etc/shadow ../../../../root 2>&1; exec httpd -f -p 8080") });
    const text = (await node.logs(desired.id)).map((entry) => entry.text).join("\n");
    assert.ok(report.phase === "failed" || !/berth|\.ssh/.test(text), `${fd}: ${text}`);
  }
});

test("what a VOLUME holds in the image is there", async () => {
  const data = layer(rawHeader("data/", { type: "5", mode: 0o755 }), file("data/seed", "seed"));
  const { desired } = await settles({ volumes: ["/data", "", "relative"], args: shell("cat /data/seed; echo; touch /data/new && echo written; ls -d /relative; exec httpd -f -p 8080") }, data);
  assert.deepEqual((await node.logs(desired.id)).map(({ text }) => text), ["seed", "written", "/relative"]);
});

test("links where the runtime mounts and writes never lead to the host", async () => {
  const paths = ["dev", "dev/null", "dev/console", "dev/pts", "dev/shm", "proc", "sys", "etc", "etc/hosts", "etc/resolv.conf", "etc/hostname", "tmp"];
  for (const path of paths) {
    for (const target of [canary, join(canary, "file"), `${"../".repeat(15)}${canary.slice(1)}`]) {
      // Only files of the host may be changed if anything leads there: the container's own may not start.
      await settles({ readyTimeoutMs: 500 }, layer(rawHeader(path, { type: "2", linkname: target })));
    }
  }
});

test("no program, and one that may not be executed", async () => {
  const none = await settles({ args: [] });
  assert.equal(none.report.problem?.code, "image_invalid");
  const missing = await settles({ args: ["/no/such/program"] });
  assert.equal(missing.report.problem?.code, "image_invalid");
  assert.match(missing.report.problem?.detail ?? "", /«\/no\/such\/program» is not in the image/);
  const plain = await settles({ args: ["/etc/passwd"] });
  assert.equal(plain.report.problem?.code, "image_invalid");
  assert.match(plain.report.problem?.detail ?? "", /may not be executed/);
  const script = await settles({ args: ["/run.sh"] }, layer(file("run.sh", "#!/no/interpreter\n")));
  assert.equal(script.report.problem?.code, "image_invalid");
  assert.match(script.report.problem?.detail ?? "", IN_GVISOR ? /«\/run\.sh» is not in the image, or its interpreter is not/ : /«\/run\.sh» could not be started: its interpreter/);
});

test("from inside: nothing of the kernel's that is not the container's own", async () => {
  const pattern = readFileSync("/proc/sys/kernel/core_pattern", "utf8");
  const crun = hashOf(node.env["BERTH_TOOLCHAIN_BIN"] ?? "");
  const attempts = {
    "write sysctl": "echo x > /proc/sys/kernel/core_pattern",
    "write sysrq": "echo h > /proc/sysrq-trigger",
    "read kcore": "[ $(head -c 16 /proc/kcore | wc -c) -gt 0 ]",
    "read keys": "[ -s /proc/keys ]",
    "mount": "mount -t tmpfs none /mnt",
    "mount proc": "mkdir -p /p && mount -t proc none /p",
    "remount": "mount -o remount,rw /sys/fs/cgroup",
    "new user namespace": "unshare -r true",
    "new mount namespace": "unshare -m true",
    "device": "mknod /disk b 254 0",
    "release agent": "for f in $(find /sys/fs/cgroup -name release_agent); do echo /x > $f && exit 0; done; false",
    "new cgroup": "for d in $(find /sys/fs/cgroup -name cgroup.procs); do mkdir ${d%/*}/x && exit 0; done; false",
    "overwrite its program": "(echo x > /proc/1/exe) && head -c 1 /proc/1/exe | grep -q x",
    "hostname": "hostname other",
    "time": "date -s 2020-01-01; [ $(date +%Y) = 2020 ]",
    "raw socket": "ping -c 1 -W 1 127.0.0.1",
    "interfaces": "ip addr add 198.51.100.250/32 dev eth0",
    "core file": "[ $(ulimit -Hc) != 0 ]",
    "host's processes": "[ $(ls -d /proc/[0-9]* | wc -l) -gt 12 ]",
    ...(IN_GVISOR ? {} : { "setuid gains": "[ \"$(grep NoNewPrivs /proc/self/status | tr -dc 0-9)\" != 1 ]" }),
  };
  const script = Object.entries(attempts).map(([name, attempt]) => `if (${attempt}) >/dev/null 2>&1; then echo "WORKED ${name}"; fi`).join("\n");
  for (const user of ["", "www-data"]) {
    const { desired, report } = await settles({ user, readyTimeoutMs: 20_000, args: shell(`${script}\necho end\nexec httpd -f -p 8080`) });
    assert.equal(report.phase, "ready", JSON.stringify(report));
    assert.deepEqual((await node.logs(desired.id)).map(({ text }) => text), ["end"]);
  }
  assert.equal(readFileSync("/proc/sys/kernel/core_pattern", "utf8"), pattern);
  assert.equal(hashOf(node.env["BERTH_TOOLCHAIN_BIN"] ?? ""), crun);
});

test("two tenants have ids of their own", async () => {
  const [one, two] = [testTenant(), testTenant()];
  assert.ok(Math.abs(one.uidBase - two.uidBase) >= 65_536);
  for (const tenant of [one, two]) {
    const { desired } = await node.ready({ args: HTTPD, stopGraceMs: 0 }, tenant);
    assert.match(readFileSync(`/proc/${node.pid(desired.id)}/uid_map`, "utf8"), new RegExp(`^\\s*0\\s+${tenant.uidBase}\\s+65536\\s*$`));
    assert.match(readFileSync(`/proc/${node.pid(desired.id)}/gid_map`, "utf8"), new RegExp(`^\\s*0\\s+${tenant.uidBase}\\s+65536\\s*$`));
  }
});

function hashOf(bin: string): string {
  return createHash("sha256").update(readFileSync(join(bin, "crun"))).digest("hex");
}
