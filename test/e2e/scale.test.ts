/** Instances by demand: none when nobody asks, more when many do, and no request lost on the way. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { after, afterEach, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { AppEvent, AppStatus } from "../../core/contract/api.ts";
import { REPOSITORY } from "../../infra/config.ts";
import { postgresStatus } from "../../infra/local/postgres.ts";
import { redisStatus } from "../../infra/local/redis.ts";
import { startStack, until, type Stack } from "../support/stack.ts";

const MAX = 3;

describe("scaling", () => {
  let stack: Stack;
  const call = async <T>(method: string, path: string, body?: unknown): Promise<T> => {
    const response = await fetch(`${stack.apiUrl}${path}`, {
      method,
      headers: { authorization: `Bearer ${stack.token}`, ...(body === undefined ? {} : { "content-type": "application/json" }) },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    assert.ok(response.ok, `${method} ${path}: ${response.status} ${await response.clone().text()}`);
    return (await response.json()) as T;
  };
  const ready = async () => (await call<AppStatus>("GET", "/v1/apps/node/status")).instances.filter(({ state, phase }) => state === "wanted" && phase === "ready").length;
  const all = async () => (await call<AppStatus>("GET", "/v1/apps/node/status")).instances.length;
  const asleep = () => until(async () => (await all()) === 0, 60_000);

  before(async () => {
    stack = await startStack();
    await stack.cli(["deploy", join(REPOSITORY, "examples/node"), "--app", "node"]);
    await call("PATCH", "/v1/apps/node", { settings: { scaling: { min: 0, max: MAX, inFlight: 4, idleMs: 2000 }, keepWarmMs: 0 } });
  });
  after(() => stack?.stop());
  afterEach((context) => {
    const { passed } = context as unknown as { passed?: boolean };
    if (passed === false) console.error(stack.logs());
  });

  test("an app that nobody asks for has no instance", asleep);

  test("a request wakes it, and is answered", async () => {
    const answer = await stack.get("node");
    assert.equal(answer.status, 200);
    assert.match(answer.body, /Hello from Node/);
    assert.equal(await ready(), 1);
  });

  test("many requests at once to an app without an instance: all are answered, by no more instances than it may have", async () => {
    await asleep();
    const answers = await Promise.all(Array.from({ length: 200 }, () => stack.get("node")));
    assert.deepEqual([...new Set(answers.map(({ status }) => status))], [200]);
    assert.ok((await all()) <= MAX);
  });

  test("load brings more instances, up to the maximum, and no request fails", async () => {
    let busy = true;
    const statuses: number[] = [];
    const client = async () => {
      while (busy) statuses.push((await stack.get("node", "/slow")).status);
    };
    const clients = Array.from({ length: 20 }, client);
    try {
      await until(async () => (await ready()) === MAX, 60_000);
    } finally {
      busy = false;
      await Promise.all(clients);
    }
    assert.deepEqual([...new Set(statuses)], [200]);
  });

  test("and it sleeps again; what happened is told, and why", async () => {
    await asleep();
    const { items } = await call<{ items: AppEvent[] }>("GET", "/v1/apps/node/events?limit=100");
    const told = items.map(({ kind, cause }) => `${kind} ${cause ?? ""}`.trim());
    for (const event of ["scaled request", "placed scale", "ready", "scaled idle", "draining surplus", "gone"]) assert.ok(told.includes(event), `${event} in ${told.join(", ")}`);
    const { stdout } = await stack.cli(["events", "node", "-n", "3"]);
    assert.equal(stdout.trim().split("\n").length, 4, stdout);
    assert.match((await stack.cli(["explain", "node"])).stdout, /should have no instance, between 0 and 3 by demand.*nobody asked for it/);
  });

  test("an app that keeps an instance is frozen, and woken while the API and the stores stand still", async () => {
    await stack.cli(["scale", "node", "--min", "1", "--max", "1", "--freeze-after", "1s"]);
    const temperature = async () => (await call<AppStatus>("GET", "/v1/apps/node/status")).instances[0]?.temperature?.is;
    await until(async () => (await all()) === 1 && (await temperature()) === "frozen");
    assert.match((await stack.cli(["status", "node"])).stdout, /frozen/);
    assert.match((await stack.cli(["explain", "node"])).stdout, /1 is frozen, with its memory and without cpu/);
    const { dataDir } = stack.config;
    const stopped = [stack.pid("api"), stack.pid("worker"), postgresStatus(join(dataDir, "postgres")), redisStatus(join(dataDir, "redis"))].filter((pid) => pid !== undefined);
    assert.equal(stopped.length, 4);
    for (const pid of stopped) process.kill(pid, "SIGSTOP");
    try {
      for (let round = 0; round < 3; round++) {
        assert.equal((await stack.get("node")).status, 200);
        await sleep(1500);
      }
      const answers = await Promise.all(Array.from({ length: 100 }, () => stack.get("node")));
      assert.deepEqual([...new Set(answers.map(({ status }) => status))], [200]);
    } finally {
      for (const pid of stopped) process.kill(pid, "SIGCONT");
    }
    await until(async () => {
      const { items } = await call<{ items: AppEvent[] }>("GET", "/v1/apps/node/events?limit=20");
      return items.some(({ kind, cause }) => kind === "woken" && cause === "request");
    });
  });
});
