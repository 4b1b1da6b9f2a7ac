/** One Berth of two nodes: apps are spread over both, reach each other by name, and outlive one of them. */
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { AppStatus, Instance } from "../../core/contract/api.ts";
import { run } from "../../core/host/spawn.ts";
import { Cable, SecondNode } from "../support/second-node.ts";
import { startSteadyLoad } from "../support/steady-load.ts";
import { ask, startStack, until, type Stack } from "../support/stack.ts";

/** `who` says the address of the instance that answers, `ask?URL` that and what it gets from there. */
const DOCKERFILE = `FROM busybox
COPY cgi-bin /www/cgi-bin
CMD ["httpd", "-f", "-p", "8080", "-h", "/www"]
`;
const ADDRESS = "ip -4 -o addr show scope global | awk '{ split($4, a, \"/\"); print a[1] }'";
const head = "#!/bin/sh\necho 'content-type: text/plain'\necho\n";
const WHO = `${head}${ADDRESS}\n`;
const ASK = `${head}${ADDRESS}\nwget -T 10 -q -O - "$QUERY_STRING" 2>&1\n`;
const LOST_WITHIN_MS = 3000;
const REPLACED_WITHIN_MS = 30_000;

describe("two nodes", () => {
  let stack: Stack;
  let cable: Cable;
  let second: SecondNode;
  let dir: string;
  const instances = async (app: string): Promise<Instance[]> => (JSON.parse((await stack.cli(["status", app, "--json"])).stdout) as AppStatus).instances;
  const ready = async (app: string) => (await instances(app)).filter(({ state, phase }) => state === "wanted" && phase === "ready");
  const asOperator = () => ({ env: { BERTH_TOKEN: stack.config.secrets.operatorToken } });
  const operate = async (...args: string[]) => (await stack.cli(["operator", "nodes", ...args], asOperator())).stdout;
  const text = async (app: string, path: string) => (await stack.get(app, path)).body.trim();
  const isHere = (address: string) => address.startsWith(String(stack.config.settings["BERTH_SUBNET"]).replace(/0\.0\/16$/, ""));

  before(async () => {
    dir = mkdtempSync(join(tmpdir(), "e2e-"));
    mkdirSync(join(dir, "app/cgi-bin"), { recursive: true });
    writeFileSync(join(dir, "app/Dockerfile"), DOCKERFILE);
    for (const [name, script] of [["who", WHO], ["ask", ASK]] as const) writeFileSync(join(dir, "app/cgi-bin", name), script, { mode: 0o755 });
    cable = await Cable.lay();
    stack = await startStack({ settings: cable.settings() });
    second = await SecondNode.start(stack, cable);
  });
  after(async () => {
    await second?.stop();
    await stack?.stop();
    await cable?.remove();
    rmSync(dir, { recursive: true, force: true });
    if (stack) assert.ok(!(await run(["ip", "-o", "link"])).stdout.includes(`: ${stack.config.netPrefix}`), "links are left");
  });
  afterEach((context) => {
    const { passed } = context as unknown as { passed?: boolean };
    if (passed === false) console.error(`${stack.logs(15)}\n--- node-2\n${second.log}`);
  });

  test("replicas are spread over both, and both answer through the gateway", async () => {
    await stack.cli(["deploy", join(dir, "app"), "--app", "web", "--stop-grace", "1s"]);
    await stack.cli(["scale", "web", "--replicas", "2"]);
    await until(async () => (await ready("web")).length === 2);
    assert.deepEqual((await ready("web")).map(({ node }) => node).sort(), ["node-1", second.name]);
    const seen = new Set<boolean>();
    await until(async () => seen.add(isHere(await text("web", "/cgi-bin/who"))).size === 2);
  });

  test("an app is reached by name from both nodes, and by no other tenant", async () => {
    await stack.cli(["deploy", join(dir, "app"), "--app", "db", "--stop-grace", "1s"]);
    const from = new Map<boolean, string>();
    await until(async () => {
      const [own = "", there = ""] = (await text("web", "/cgi-bin/ask?http://db.internal:8080/cgi-bin/who")).split("\n");
      if (/^[\d.]+$/.test(there)) from.set(isHere(own), there);
      return from.size === 2;
    });
    const [address = ""] = new Set(from.values());
    assert.equal(new Set(from.values()).size, 1);

    const token = await stack.newTenant("other");
    await stack.cli(["deploy", join(dir, "app"), "--app", "spy", "--stop-grace", "1s"], { env: { BERTH_TOKEN: token } });
    const host = `spy-other.${new URL(stack.config.appsUrl).host}`;
    for (const target of ["db.internal", address]) {
      const { status, body } = await ask(stack.gatewayUrl, host, `/cgi-bin/ask?http://${target}:8080/cgi-bin/who`);
      assert.equal(status, 200);
      assert.ok(!body.split("\n").slice(1).includes(address), body);
    }
  });

  test("a node that is lost: its instance is asked no more at once, and replaced where there is room", async () => {
    await second.killAll();
    const killedAt = Date.now();
    let failedAt = 0;
    while (Date.now() - killedAt < 2 * LOST_WITHIN_MS) {
      const { status } = await stack.get("web", "/cgi-bin/who");
      if (status !== 200) failedAt = Date.now() - killedAt;
      await sleep(50);
    }
    assert.ok(failedAt < LOST_WITHIN_MS, `a request failed after ${failedAt} ms`);
    const replaced = async () => (await ready("web")).filter(({ node }) => node === "node-1").length === 2;
    for (; !(await replaced()) && Date.now() - killedAt < 2 * REPLACED_WITHIN_MS; await sleep(100));
    const replacedMs = Date.now() - killedAt;
    assert.ok(replacedMs < REPLACED_WITHIN_MS, `replaced after ${replacedMs} ms`);
  });

  test("a node that comes back has nothing that was replaced", async () => {
    await second.run();
    await until(async () => (await instances("web")).every(({ node, state }) => node !== second.name || state === "gone"));
    assert.equal((await ready("web")).length, 2);
    for (let n = 0; n < 10; n++) assert.equal((await stack.get("web", "/cgi-bin/who")).status, 200);
  });

  test("a node that is drained loses what can be elsewhere without a failed request, and keeps what has a volume there", async () => {
    // What is cordoned gets nothing, however empty it is.
    await operate("cordon", second.name);
    await stack.cli(["deploy", "--image", "library/busybox:latest", "--app", "keeper", "--command", "exec httpd -f -p 8080 -h /data", "--mount", "data:/data:16m", "--stop-grace", "1s"]);
    assert.deepEqual((await ready("keeper")).map(({ node }) => node), ["node-1"]);
    await operate("uncordon", second.name);

    const stopLoad = startSteadyLoad({ host: stack.host("web"), port: Number(new URL(stack.gatewayUrl).port), path: "/cgi-bin/who", perSecond: 30 });
    const drained = await operate("drain", "node-1");
    const { sent, failed, bodies } = await stopLoad();
    assert.deepEqual(failed, []);
    assert.ok(sent > 20 && new Set([...bodies.keys()].map((body) => isHere(body.trim()))).size === 2, `${sent} requests were answered by ${[...bodies.keys()].join(" ")}`);
    assert.deepEqual((await ready("web")).map(({ node }) => node), [second.name, second.name]);
    assert.match(drained, /node-1 is drained[^]*main\/keeper stays: the volume data of it is on this node[^]*berth volumes move data --app keeper/);
    assert.deepEqual((await instances("keeper")).filter(({ state }) => state !== "gone").map(({ node, state }) => [node, state]), [["node-1", "wanted"]]);
    assert.match(await operate("list"), /node-1 +up, draining/);

    const { code, stderr } = await stack.tryCli(["operator", "nodes", "drain", second.name], asOperator());
    assert.equal(code, 1);
    assert.match(stderr, /nowhere to move to: of the other node none takes instances/);
    await operate("uncordon", "node-1");
  });
});
