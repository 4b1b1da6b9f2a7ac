// needs no root
import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { after, before, test } from "node:test";
import { connect } from "node:net";
import { startApiProcess, type ApiProcess } from "../support/api-process.ts";
import { passedEnv } from "../support/env.ts";
import { startStores, type Stores } from "../support/stores.ts";

let stores: Stores;
const started: ChildProcess[] = [];

before(async () => {
  stores = await startStores();
});
after(async () => {
  for (const child of started) child.kill("SIGKILL");
  await stores?.stop();
});

const MAIN = new URL("../../api/main.ts", import.meta.url).pathname;

async function startApi(env: Record<string, string> = {}): Promise<ApiProcess> {
  const api = await startApiProcess({ ...stores.env, ...env });
  started.push(api.child);
  return api;
}

test("the process starts, is ready, and ends in order on SIGTERM with code 0", async () => {
  const { child, port, ended } = await startApi();
  const ready = await fetch(`http://127.0.0.1:${port}/readyz`);
  assert.deepEqual([ready.status, await ready.json()], [200, { ok: true, database: true, queue: true, storage: true }]);
  const openapi = (await (await fetch(`http://127.0.0.1:${port}/openapi.json`)).json()) as { openapi: string };
  assert.equal(openapi.openapi, "3.1.0");
  child.kill("SIGTERM");
  assert.equal(await ended, 0);
});

test("it starts without any store, says so, and is ready when they are there", async () => {
  const all = ["postgres", "redis", "s3"] as const;
  await Promise.all(all.map((store) => stores.kill(store)));
  const { child, port, ended } = await startApi();
  const url = `http://127.0.0.1:${port}`;
  assert.equal((await fetch(`${url}/healthz`)).status, 200);
  assert.equal((await fetch(`${url}/readyz`)).status, 503);
  await Promise.all(all.map((store) => stores.start(store)));
  const deadline = Date.now() + 10_000;
  while ((await fetch(`${url}/readyz`)).status !== 200) assert.ok(Date.now() < deadline, "it did not become ready within 10 s");
  child.kill("SIGTERM");
  assert.equal(await ended, 0);
});

test("a wrong environment is refused with the variable's name", async () => {
  const child = spawn(process.execPath, [MAIN], { env: { ...passedEnv(), ...stores.env, BERTH_DATABASE_URL: "mysql://x" }, stdio: ["ignore", "ignore", "pipe"] });
  started.push(child);
  let stderr = "";
  for await (const chunk of child.stderr!) stderr += String(chunk);
  assert.match(stderr, /BERTH_DATABASE_URL/);
});

test("a client that never finishes its headers is cut off", async () => {
  const { child, port, ended } = await startApi();
  const socket = connect(port, "127.0.0.1");
  socket.write("GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: ");
  const openedAt = performance.now();
  let answer = "";
  socket.on("data", (chunk) => (answer += String(chunk)));
  await new Promise((resolve) => socket.once("close", resolve));
  assert.ok(performance.now() - openedAt < 25_000);
  assert.match(answer, /^HTTP\/1\.1 408/);
  child.kill("SIGTERM");
  assert.equal(await ended, 0);
});
