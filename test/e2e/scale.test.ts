/** Instances by demand: none when nobody asks, more when many do, and no request lost on the way. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { after, afterEach, before, describe, test } from "node:test";
import type { AppStatus } from "../../core/contract/api.ts";
import { REPOSITORY } from "../../infra/config.ts";
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
    await call("PATCH", "/v1/apps/node", { settings: { scaling: { min: 0, max: MAX, inFlight: 4, idleMs: 2000 } } });
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

  test("and it sleeps again", asleep);
});
