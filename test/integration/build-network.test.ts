/**
 * What a Dockerfile names is fetched from the internet alone. The rules look at packets, so that neither a redirect, nor a
 * name, nor another notation of an address leads inside: a server in a private network hears nothing of any of them.
 */
import assert from "node:assert/strict";
import { randomInt } from "node:crypto";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { networkInterfaces } from "node:os";
import { once } from "node:events";
import { after, before, test } from "node:test";
import type { ChildProcess } from "node:child_process";
import { run, runUnchecked, start } from "../../core/host/spawn.ts";
import { startBuildWorld, type BuildWorld } from "../support/build-world.ts";
import { until } from "../support/node.ts";

const INSIDE_PORT = 8099;
const number = randomInt(250);
const inside = `10.66.${number}.2`;
const netns = `berth-inside-${number}`;
const link = `bins${number}`;
const outside = Object.values(networkInterfaces()).flat().find((one) => one?.family === "IPv4" && !one.internal)?.address ?? "127.0.0.1";

let world: BuildWorld;
let canary: ChildProcess;
let heard = "";
/** An allowed server, which redirects to where its path says. */
let open: Server;
let openUrl = "";
before(async () => {
  await run(["ip", "netns", "add", netns]);
  await run(["ip", "link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", netns]);
  await run(["ip", "addr", "add", `10.66.${number}.1/30`, "dev", link]);
  await run(["ip", "link", "set", link, "up"]);
  await run(["ip", "-n", netns, "-batch", "-"], { input: `addr add ${inside}/30 dev eth0\nlink set eth0 up\nlink set lo up\nroute add default via 10.66.${number}.1\n` });
  const script = `require("http").createServer((q, r) => { console.log("hit " + q.url); r.end("inside"); }).listen(${INSIDE_PORT}, "${inside}", () => console.log("listening"))`;
  canary = start(["ip", "netns", "exec", netns, process.execPath, "-e", script], { stdio: ["ignore", "pipe", "inherit"] });
  canary.stdout?.on("data", (data: Buffer) => (heard += data.toString()));
  open = createServer((request, response) => {
    const to = decodeURIComponent((request.url ?? "").slice(1));
    if (to.startsWith("http")) response.writeHead(302, { location: to }).end();
    else response.end("from outside\n");
  });
  open.listen(0, outside);
  await once(open, "listening");
  openUrl = `http://open.test:${(open.address() as AddressInfo).port}`;
  world = await startBuildWorld();
  await world.startWorker({ BERTH_BUILD_ALLOW_CIDRS: `${outside}/32`, BERTH_BUILD_HOSTS: `open.test=${outside},inside.test=${inside}` });
  await until(() => heard.includes("listening"));
});
after(async () => {
  await world?.stop();
  open?.close();
  open?.closeAllConnections();
  canary?.kill("SIGKILL");
  await runUnchecked(["ip", "netns", "delete", netns]);
  await runUnchecked(["ip", "link", "delete", link]);
});

const at = (host: string) => `http://${host}:${INSIDE_PORT}/${encodeURIComponent(host)}`;
const parts = inside.split(".").map(Number);
const asNumber = parts.reduce((sum, part) => sum * 256 + part, 0);
const NOTATIONS = [
  inside, String(asNumber), `0x${asNumber.toString(16)}`, parts.map((part) => `0${part.toString(8)}`).join("."), parts.map((part) => `0x${part.toString(16)}`).join("."),
  `10.66.${(parts[2] ?? 0) * 256 + 2}`, `[::ffff:${inside}]`, `[64:ff9b::${inside}]`, "inside.test",
];

test("RUN, ADD and FROM reach no private address, however it is written and whoever sends them there", async () => {
  assert.equal(await (await fetch(at(inside))).text(), "inside", "the server in the private network answers, to the host");
  assert.match(heard, /hit/);
  heard = "";
  const urls = [...NOTATIONS.map(at), `${openUrl}/${encodeURIComponent(at(inside))}`, `${openUrl}/${encodeURIComponent(at("inside.test"))}`];
  // All at once, in one step: each takes as long as whoever hears nothing waits.
  const asks = urls.map((url) => `(wget -q -T 2 -O- '${url}' && echo opened || echo closed) &`).join(" ");
  const { build } = await world.deploy("network", [["Dockerfile", `FROM busybox\nADD ${openUrl}/file /file\nRUN cat /file\nRUN ${asks} wait\n`]]);
  const output = (await world.log(build)).map(({ text }) => text);
  assert.equal(build.state, "succeeded", output.join("\n"));
  assert.ok(output.includes("from outside"), "what is allowed is reached");
  assert.ok(!output.includes("opened") && !output.includes("inside"), output.join("\n"));
  assert.equal(output.filter((line) => line === "closed").length, urls.length);

  const refused = [`ADD ${at(inside)} /x`, `ADD ${at(String(asNumber))} /x`, `ADD ${at("inside.test")} /x`, `ADD ${openUrl}/${encodeURIComponent(at(inside))} /x`, `COPY --from=${inside}:${INSIDE_PORT}/team/image /a /b`];
  const uploads = [];
  for (const [index, line] of refused.entries()) uploads.push(await world.upload(`refused${index}`, [["Dockerfile", `FROM busybox\n${line}\n`]]));
  for (const [index, upload] of uploads.entries()) {
    const { build: ended } = await world.built(upload);
    assert.equal(ended.state, "failed", refused[index]);
    assert.ok(["build_failed", "base_image_not_found"].includes(ended.failure?.code ?? ""), JSON.stringify(ended.failure));
  }
  assert.equal(heard, "");
});
