import assert from "node:assert/strict";
import { test } from "node:test";
import { argumentFile, buildArgs, cacheToArgs, pushArgs, registriesConf, type BuildArgsInput } from "./buildah.ts";
import { policyRules, slotAddresses } from "./network.ts";

const INPUT: BuildArgsInput = {
  buildId: "bld_01",
  repository: "me/web",
  dockerfilePath: "deploy/Dockerfile",
  target: null,
  buildArgs: { A: "x; rm -rf /", B: "two\nlines" },
  files: [{ source: "/berth/job/file-0", target: "/etc/pip.conf" }],
  hosts: [{ name: "files.test", address: "10.1.2.3" }],
  openFiles: 20_000,
  pidsMax: 512,
  registryPort: 5000,
};

test("a build's arguments are data, whatever they hold", () => {
  const args = buildArgs(INPUT);
  assert.ok(args.includes("--build-arg=A=x; rm -rf /"));
  assert.ok(args.includes("--build-arg=B=two\nlines"));
  assert.ok(args.includes("--file=/var/lib/containers/tmp/bld_01/context/deploy/Dockerfile"));
  assert.ok(args.includes("--volume=/berth/job/file-0:/etc/pip.conf:ro"));
  assert.ok(args.includes("--ulimit=nofile=1024:20000"));
  assert.ok(!args.some((arg) => arg.startsWith("--target")));
  assert.ok(buildArgs({ ...INPUT, target: "test" }).includes("--target=test"));
  assert.deepEqual(argumentFile(["a b", "c\nd"]).split("\0"), ["a b", "c\nd", ""]);
});

test("images go to the build's own repository, steps to the cache below it", () => {
  assert.equal(pushArgs(INPUT).at(-1), "docker://registry.berth.internal:5000/me/web:bld-01");
  assert.ok(cacheToArgs(INPUT).includes("--cache-to=registry.berth.internal:5000/me/web/cache"));
});

test("docker.io is Berth's registry first", () => {
  const on = registriesConf({ registryPort: 5000, publicHosts: ["127.0.0.1:7070"], mirrors: [{ location: "mirror.test", insecure: false }], dockerIo: true });
  assert.match(on, /prefix = "docker\.io"\nlocation = "docker\.io"/);
  assert.ok(on.indexOf('location = "registry.berth.internal:5000"') < on.indexOf('location = "mirror.test"'));
  const off = registriesConf({ registryPort: 5000, publicHosts: [], mirrors: [], dockerIo: false });
  assert.match(off, /prefix = "docker\.io"\nlocation = "registry\.berth\.internal:5000"\ninsecure = true/);
  assert.ok(!off.includes("mirror"));
});

test("slots have addresses of their own, as many as the subnet has", () => {
  assert.deepEqual(slotAddresses("10.202.0.0/16", 0), { host: "10.202.0.1", sandbox: "10.202.0.2" });
  assert.deepEqual(slotAddresses("10.202.0.0/16", 64), { host: "10.202.1.1", sandbox: "10.202.1.2" });
  assert.throws(() => slotAddresses("10.202.0.0/28", 4), RangeError);
});

test("the rules name each slot's own proxy and close private ranges", () => {
  const slot = { netns: "n", device: "bthb0", hostAddress: "10.202.0.1", sandboxAddress: "10.202.0.2" };
  const rules = policyRules({ table: "berth_x", devicePrefix: "bthb", subnet: "10.202.0.0/16", resolvers: ["9.9.9.9"], allowCidrs: ["10.9.0.0/16"], registryPort: 5000, slots: [slot] });
  assert.match(rules, /elements = \{ "bthb0" \. 10\.202\.0\.2 \. 10\.202\.0\.1 \. 5000 \}/);
  assert.match(rules, /169\.254\.0\.0\/16/);
  assert.match(rules, /elements = \{ 10\.9\.0\.0\/16 \}/);
});
