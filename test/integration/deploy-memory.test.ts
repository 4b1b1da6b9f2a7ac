/** A large upload passes through the API without staying in it. `BERTH_TEST_CONTEXT_BYTES` sets how large. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { Readable } from "node:stream";
import { createGzip } from "node:zlib";
import { after, before, test } from "node:test";
import { openDb } from "../../core/db/client.ts";
import { createToken, ensureTenant } from "../../core/db/system-queries/bootstrap.ts";
import { start } from "../../core/host/spawn.ts";
import { rawHeader } from "../support/contexts.ts";
import { passedEnv } from "../support/env.ts";
import { startStores, type Stores } from "../support/stores.ts";

const CONTEXT_BYTES = Number(process.env["BERTH_TEST_CONTEXT_BYTES"] ?? 512 * 2 ** 20);
const ALLOWED_BYTES = 64 * 2 ** 20;
const MAIN = new URL("../../api/main.ts", import.meta.url).pathname;

let stores: Stores;
let token: string;
let api: ReturnType<typeof start>;
let url: string;

before(async () => {
  stores = await startStores();
  const { db, close } = openDb(stores.databaseUrl, { name: "test" });
  token = (await createToken(db, (await ensureTenant(db, "memory")).id, { name: "test" })).token;
  await close();
  api = start([process.execPath, MAIN], { stdio: ["ignore", "pipe", "inherit"], env: { ...passedEnv(), ...stores.env, BERTH_API_LISTEN: "127.0.0.1:0" } });
  const port = await new Promise<number>((resolve, reject) => {
    api.once("exit", () => reject(new Error("the API ended")));
    let text = "";
    api.stdout?.on("data", (chunk: Buffer) => {
      text += String(chunk);
      const found = /"port":(\d+)/.exec(text);
      if (found) resolve(Number(found[1]));
    });
  });
  url = `http://127.0.0.1:${port}/v1/apps/large/deployments`;
});
after(async () => {
  if (api !== undefined && api.exitCode === null) {
    const exited = new Promise((resolve) => api.once("exit", resolve));
    api.kill("SIGTERM");
    await exited;
  }
  await stores?.stop();
});

function residentBytes(pid: number): number {
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) * 1024;
}

/** A tar with a Dockerfile and one file of zeros. */
function* largeTar(sizeBytes: number): Generator<Buffer> {
  yield Buffer.concat([rawHeader("Dockerfile", { size: 7 }), Buffer.from("FROM a\n".padEnd(512, "\0")), rawHeader("zeros", { size: sizeBytes })]);
  const zeros = Buffer.alloc(256 * 1024);
  for (let left = sizeBytes; left > 0; left -= zeros.length) yield zeros;
  yield Buffer.alloc(1024);
}

async function send(body: Readable): Promise<number> {
  const response = await fetch(url, { method: "POST", headers: { authorization: `Bearer ${token}`, "content-type": "application/x-tar" }, body: body as never, duplex: "half" } as RequestInit);
  const text = await response.text();
  assert.equal(response.status, 202, text);
  return JSON.parse(text).timingsMs.total ?? 0;
}

/** Most memory beyond what the process had before. */
async function growth(work: () => Promise<unknown>): Promise<number> {
  const before = residentBytes(api.pid!);
  let peak = before;
  const timer = setInterval(() => (peak = Math.max(peak, residentBytes(api.pid!))), 20);
  try {
    await work();
  } finally {
    clearInterval(timer);
  }
  return Math.max(peak, residentBytes(api.pid!)) - before;
}

test(`a context of ${CONTEXT_BYTES / 2 ** 20} MiB raises the API's resident memory by at most 64 MiB`, async (t) => {
  // What any first upload loads is not the upload's size.
  await send(Readable.from(largeTar(2 ** 18)));
  const startedAt = performance.now();
  const grown = await growth(() => send(Readable.from(largeTar(CONTEXT_BYTES))));
  t.diagnostic(`${Math.round(grown / 2 ** 20)} MiB more, ${Math.round(CONTEXT_BYTES / 2 ** 20 / ((performance.now() - startedAt) / 1000))} MiB/s`);
  assert.ok(grown <= ALLOWED_BYTES, `${grown} bytes`);
});

test("so does a packed one, whose contents are many times its size", async (t) => {
  // Not beyond what any context may unpack to.
  const sizeBytes = Math.min(CONTEXT_BYTES, 2 ** 29);
  const grown = await growth(() => send(Readable.from(largeTar(sizeBytes)).pipe(createGzip({ level: 1 }))));
  t.diagnostic(`${Math.round(grown / 2 ** 20)} MiB more`);
  assert.ok(grown <= ALLOWED_BYTES, `${grown} bytes`);
});
