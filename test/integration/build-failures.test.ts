/** Builds that must not succeed: what is said of them, and what they cannot do to others. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { networkInterfaces } from "node:os";
import type { Failure } from "../../core/contract/errors.ts";
import { runUnchecked } from "../../core/host/spawn.ts";
import { startBuildWorld, type BuildWorld } from "../support/build-world.ts";

const MEMORY_BYTES = 256 * 2 ** 20;
const DISK_BYTES = 768 * 2 ** 20;
const TIMEOUT_MS = 15_000;

let world: BuildWorld;
before(async () => {
  world = await startBuildWorld();
  await world.startWorker({
    BERTH_BUILD_MEMORY_BYTES: String(MEMORY_BYTES),
    BERTH_BUILD_DISK_BYTES: String(DISK_BYTES),
    BERTH_BUILD_TIMEOUT_MS: String(TIMEOUT_MS),
    BERTH_BUILD_PIDS: "256",
  });
});
after(() => world?.stop());

async function fails(app: string, dockerfile: string): Promise<Failure> {
  const { build, deployment } = await world.deploy(app, [["Dockerfile", dockerfile]]);
  assert.equal(build.state, "failed");
  assert.equal(deployment.state, "failed");
  assert.ok(build.failure);
  assert.deepEqual(deployment.failure, build.failure);
  return build.failure;
}

test("a failing RUN: its line, its exit code, its last lines", async () => {
  const failure = await fails("run", "FROM busybox AS first\nRUN true\n\nFROM busybox\n# why\nENV A=1\nRUN for i in $(seq 30); do echo line $i; done; \\\n    exit 7\n");
  assert.equal(failure.code, "build_failed");
  assert.equal(failure.line, 7);
  assert.equal(failure.exitCode, 7);
  assert.equal(failure.logTail?.length, 20);
  assert.equal(failure.logTail?.at(-1), "line 30");
});

test("a failing heredoc", async () => {
  const failure = await fails("heredoc", "FROM busybox\nRUN <<END\nset -e\necho before\nfalse\nEND\n");
  assert.deepEqual([failure.code, failure.line, failure.exitCode], ["build_failed", 2, 1]);
});

test("an unknown base image", async () => {
  const failure = await fails("base", "FROM busybox AS a\nFROM nosuchimage:9\nCOPY --from=a /bin/sh /sh\n");
  assert.deepEqual([failure.code, failure.line], ["base_image_not_found", 2]);
  assert.match(failure.detail, /nosuchimage:9/);
});

test("an image that no node can run fails at once, not after three attempts", async () => {
  const failure = await fails("wide", `FROM busybox\nENV A=${"a".repeat(40_000)}\nENV B=${"b".repeat(40_000)}\n`);
  assert.equal(failure.code, "image_invalid");
});

test("another tenant's image is no base image", async () => {
  const stranger = await world.api.tenant();
  const built = await world.deploy("secret", [["Dockerfile", "FROM busybox\n"]], {}, stranger.token);
  assert.equal(built.build.state, "succeeded");
  const failure = await fails("thief", `FROM ${stranger.name}/secret:${built.build.id.replace("_", "-")}\nRUN true\n`);
  assert.equal(failure.code, "base_image_not_found");
});

test("COPY of what is not there", async () => {
  const failure = await fails("copy", "FROM busybox\nCOPY nothing /x\n");
  assert.deepEqual([failure.code, failure.line], ["build_failed", 2]);
  assert.match(failure.detail, /nothing/);
});

test("too much memory", async () => {
  const failure = await fails("memory", "FROM busybox\nRUN x=aaaaaaaaaaaaaaaa; while :; do x=$x$x; done\n");
  assert.deepEqual([failure.code, failure.line], ["build_out_of_memory", 2], JSON.stringify(failure));
});

test("too much disk", async () => {
  const failure = await fails("disk", "FROM busybox\nRUN dd if=/dev/zero of=/big bs=1M count=1000\n");
  assert.deepEqual([failure.code, failure.line], ["build_disk_full", 2]);
  const next = await world.deploy("disk2", [["Dockerfile", "FROM busybox\nRUN echo room again\n"]]);
  assert.equal(next.build.state, "succeeded", JSON.stringify(next.build.failure));
});

test("what failed steps wrote does not stay on the disk", async () => {
  for (let i = 0; i < 3; i++) {
    const failure = await fails(`left${i}`, `FROM busybox\nRUN dd if=/dev/zero of=/big${i} bs=1M count=350 && false\n`);
    assert.deepEqual([failure.code, failure.exitCode], ["build_failed", 1], JSON.stringify(failure));
  }
});

test("too many processes hurt only the build itself", async () => {
  const failure = await fails("fork", "FROM busybox\nRUN i=0; while [ $i -lt 400 ]; do sleep 5 & i=$((i+1)); done; wait\n");
  assert.equal(failure.code, "build_failed");
});

test("too long", async () => {
  const startedAt = Date.now();
  const failure = await fails("slow", "FROM busybox\nRUN sleep 120\n");
  assert.equal(failure.code, "build_timeout");
  assert.ok(Date.now() - startedAt < TIMEOUT_MS + 5000);
});

test("cancelling kills the sandbox within a second", async () => {
  const marker = `sleep 1${Date.now().toString().slice(-6)}`;
  const deployment = await world.upload("cancel", [["Dockerfile", `FROM busybox\nRUN ${marker}\n`]]);
  const running = async () => (await runUnchecked(["pgrep", "-f", `^${marker}`])).code === 0;
  for (const deadline = Date.now() + 60_000; !(await running()); await sleep(20)) assert.ok(Date.now() < deadline, "the step did not start");
  const askedAt = Date.now();
  const { status } = await world.api.call("POST", `/v1/deployments/${deployment.id}/cancel`, { token: world.tenant.token });
  assert.ok(status < 300, String(status));
  while (await running()) {
    assert.ok(Date.now() - askedAt < 1000, "the build still runs");
    await sleep(10);
  }
  const ended = await world.built(deployment);
  assert.equal(ended.build.state, "cancelled");
  assert.equal(ended.build.failure?.code, "build_cancelled");
  assert.equal(ended.deployment.state, "cancelled");
});

test("a build reaches neither the host, nor private networks, nor metadata; and is nobody there", async () => {
  const host = Object.values(networkInterfaces()).flat().find((address) => address?.family === "IPv4" && !address.internal)?.address ?? "127.0.0.1";
  const server = createServer((_request, response) => response.end("reached")).listen(0, "0.0.0.0");
  await once(server, "listening");
  const port = (server.address() as AddressInfo).port;
  const api = new URL(world.api.url);
  const targets = [`${host}:${port}`, `127.0.0.1:${port}`, `registry.berth.internal:${port}`, `127.0.0.1:${api.port}`, "169.254.169.254:80", "10.0.0.1:80", "192.168.0.1:80"];
  const dockerfile = `FROM busybox
RUN for t in ${targets.join(" ")}; do (if wget -T 2 -q -O - http://$t/ >/dev/null 2>&1; then echo "open $t"; else echo "closed $t"; fi) & done; wait
RUN wget -q -O - http://registry.berth.internal:5000/v2/${"other"}/app/tags/list 2>&1 | head -1; \\
  cat /proc/self/uid_map; grep -E 'NoNewPrivs|CapBnd' /proc/self/status; cat /proc/self/limits; env; \\
  (echo x > /proc/sys/kernel/core_pattern) 2>&1 || echo sysctl closed; \\
  mount -t proc proc /bin 2>&1 || echo mount closed
`;
  try {
    const { build } = await world.deploy("nosy", [["Dockerfile", dockerfile]]);
    const output = (await world.log(build)).map((entry) => entry.text).join("\n");
    assert.equal(build.state, "succeeded", output);
    for (const target of targets) assert.ok(output.includes(`closed ${target}`), `${target}\n${output}`);
    assert.ok(output.includes("sysctl closed") && output.includes("mount closed"), output);
    assert.match(output, /NoNewPrivs:\t1/);
    // What the kernel counts for all tenants together.
    assert.match(output, /Max pending signals +1024 +1024 [^]*Max msgqueue size +131072 +131072 /);
    const [, hostId] = /^ +0 +(\d+) +65536$/m.exec(output) ?? [];
    assert.ok(Number(hostId) >= 32 * 65_536, output);
    assert.ok(!/Bearer|eyJ|BERTH_/.test(output), output);
  } finally {
    server.close();
  }
});
