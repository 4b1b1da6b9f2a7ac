// needs no root
/** Requests that are no requests: lengths that lie, forms of 10^5 parts, clients that never finish. */
import assert from "node:assert/strict";
import { connect, type Socket } from "node:net";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { openS3BlobStore } from "../../core/blob-store/s3.ts";
import type { BlobStore } from "../../core/blob-store/blob-store.ts";
import { createToken as newToken } from "../../core/tokens.ts";
import { startTestApi, type TestApi } from "../support/api.ts";
import { tarOf } from "../support/contexts.ts";
import { startStores, type Stores } from "../support/stores.ts";

let stores: Stores;
let blobs: BlobStore;
let api: TestApi;
let tenant: Awaited<ReturnType<TestApi["tenant"]>>;
/** Shorter than outside of tests. */
const PACE = { windowMs: 800, minBytes: 20 * 1024 };

before(async () => {
  stores = await startStores();
  blobs = openS3BlobStore(stores.env as never);
  api = await startTestApi({ databaseUrl: stores.databaseUrl, redisUrl: stores.redisUrl, blobs }, { migrate: false, redisPrefix: stores.redisPrefix, bodyPace: PACE });
  tenant = await api.tenant();
});
after(async () => {
  await api?.close();
  await stores?.stop();
});

interface Raw {
  socket: Socket;
  /** All that came until the server closed. */
  answer: Promise<string>;
}

function raw(...pieces: (string | Buffer)[]): Raw {
  const socket = connect(api.port, "127.0.0.1");
  let text = "";
  socket.on("data", (chunk: Buffer) => (text += chunk.toString("latin1")));
  socket.on("error", () => {});
  const answer = new Promise<string>((resolve) => socket.once("close", () => resolve(text)));
  for (const piece of pieces) socket.write(piece);
  return { socket, answer };
}
const head = (line: string, ...headers: string[]) => [line, "Host: x", `Authorization: Bearer ${tenant.token}`, ...headers, "", ""].join("\r\n");
const JSON_BODY = '{"name":"smuggled"}';

test("what two readers would cut into different requests is refused", async () => {
  const chunked = `${JSON_BODY.length.toString(16)}\r\n${JSON_BODY}\r\n0\r\n\r\n`;
  const type = "Content-Type: application/json";
  const cases: Record<string, string> = {
    "both lengths": `${head("POST /v1/apps HTTP/1.1", type, "Content-Length: 4", "Transfer-Encoding: chunked")}${chunked}`,
    "two lengths": `${head("POST /v1/apps HTTP/1.1", type, "Content-Length: 19", "Content-Length: 4")}${JSON_BODY}`,
    "a length that is none": `${head("POST /v1/apps HTTP/1.1", type, "Content-Length: +19")}${JSON_BODY}`,
    "a length below zero": `${head("POST /v1/apps HTTP/1.1", type, "Content-Length: -1")}${JSON_BODY}`,
    "another encoding last": `${head("POST /v1/apps HTTP/1.1", type, "Transfer-Encoding: chunked, identity")}${chunked}`,
    "a chunk's size that is none": `${head("POST /v1/apps HTTP/1.1", type, "Transfer-Encoding: chunked")}zz\r\n${JSON_BODY}\r\n0\r\n\r\n`,
    "a space before the colon": `${head("POST /v1/apps HTTP/1.1", type, "Content-Length : 19")}${JSON_BODY}`,
    "a line that goes on": `${head("POST /v1/apps HTTP/1.1", type, "X: a", " Content-Length: 19")}${JSON_BODY}`,
    "a bare line feed": head("GET /v1/whoami HTTP/1.1", "X: a\nTransfer-Encoding: chunked"),
    "a NUL": head("GET /v1/whoami HTTP/1.1", "X: a\0b"),
  };
  for (const [what, bytes] of Object.entries(cases)) {
    const { socket, answer } = raw(bytes);
    const text = await answer;
    socket.destroy();
    assert.match(text, /^HTTP\/1\.1 400 |^$/, `${what}: ${text.slice(0, 300)}`);
    assert.equal(text.match(/^HTTP\/1\.1/gm)?.length ?? 0, text === "" ? 0 : 1, what);
  }
  assert.deepEqual((await api.call("GET", "/v1/apps", { token: tenant.token })).body.items, [], "none was taken");
});

test("a body that is shorter than it says, and one that is longer", async () => {
  const short = raw(head("POST /v1/apps HTTP/1.1", "Content-Type: application/json", "Content-Length: 50"), JSON_BODY);
  assert.equal(await short.answer, "", "cut off: the rest never came");
  const long = raw(head("POST /v1/apps HTTP/1.1", "Content-Type: application/json", "Content-Length: 10"), '{"name":"a"}');
  const text = await long.answer;
  assert.match(text, /^HTTP\/1\.1 400 /);
  assert.doesNotMatch(text, /HTTP\/1\.1 2/);
  const context = await tarOf(["Dockerfile", "FROM scratch\n"]);
  const upload = raw(head("POST /v1/apps/short/deployments HTTP/1.1", "Content-Type: application/x-tar", "Content-Length: 100000"), context);
  await upload.answer;
  const stored = async () => (await Array.fromAsync(blobs.list("contexts/"))).length;
  for (const deadline = Date.now() + 5000; (await stored()) > 0; await sleep(20)) assert.ok(Date.now() < deadline, "the blob of an upload that stalled stays");
});

test("a body that is too large is refused before it is read: declared, and not declared", async () => {
  const declared = raw(head("POST /v1/apps HTTP/1.1", "Content-Type: application/json", `Content-Length: ${2 ** 40}`));
  assert.match(await declared.answer, /^HTTP\/1\.1 413 /);
  const endless = raw(head("POST /v1/apps HTTP/1.1", "Content-Type: application/json", "Transfer-Encoding: chunked"));
  const chunk = `10000\r\n${"[".repeat(65_536)}\r\n`;
  for (let i = 0; i < 64 && !endless.socket.destroyed; i++) endless.socket.write(chunk);
  assert.match(await endless.answer, /^HTTP\/1\.1 413 /);
  const nobody = raw(["POST /v1/apps HTTP/1.1", "Host: x", `Authorization: Bearer ${newToken()}`, `Content-Length: ${2 ** 40}`, "", ""].join("\r\n"));
  assert.match(await nobody.answer, /^HTTP\/1\.1 401 /, "a stranger's body is not waited for");
});

test("JSON of a depth that no answer needs", async () => {
  for (const body of ["[".repeat(500_000), `${'{"a":'.repeat(150_000)}1${"}".repeat(150_000)}`]) {
    const { status } = await api.call("POST", "/v1/apps", { token: tenant.token, body });
    assert.ok(status === 400 || status === 422, String(status));
  }
  assert.equal((await api.call("GET", "/v1/whoami", { token: tenant.token })).status, 200);
});

test("headers: too many bytes, too long a path", async () => {
  const large = raw(head("GET /v1/whoami HTTP/1.1", `X: ${"a".repeat(70_000)}`));
  assert.match(await large.answer, /^HTTP\/1\.1 431 /);
  const many = raw(head("GET /v1/whoami HTTP/1.1", ...Array.from({ length: 10_000 }, (_, index) => `X-${index}: a`)));
  assert.match(await many.answer, /^HTTP\/1\.1 431 /);
  const path = raw(head(`GET /v1/apps/${"a".repeat(70_000)} HTTP/1.1`));
  assert.match(await path.answer, /^HTTP\/1\.1 (431|414) /);
});

test("a form of 10^5 parts, one of endless headers, and one whose end never comes", async () => {
  const part = '--b\r\nContent-Disposition: form-data; name="x"\r\n\r\n1\r\n';
  const type = { "content-type": "multipart/form-data; boundary=b" };
  const post = (body: string) => api.call("POST", "/v1/apps/form/deployments", { token: tenant.token, body, headers: type });
  const many = await post(`${part.repeat(100_000)}--b--\r\n`);
  assert.deepEqual([many.status, many.body.code], [400, "invalid_request"]);
  const files = await post(`${'--b\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n\r\n1\r\n'.repeat(100_000)}--b--\r\n`);
  assert.equal(files.status, 400);
  const headers = await post(`--b\r\n${"X-Y: z\r\n".repeat(100_000)}\r\n1\r\n--b--\r\n`);
  assert.ok(headers.status >= 400 && headers.status < 500, String(headers.status));
  const name = await post(`--b\r\nContent-Disposition: form-data; name="${"n".repeat(1_000_000)}"\r\n\r\n1\r\n--b--\r\n`);
  assert.ok(name.status >= 400 && name.status < 500, String(name.status));
  const noEnd = await post(part);
  assert.ok(noEnd.status === 400 || noEnd.status === 422, String(noEnd.status));
  assert.deepEqual((await api.call("GET", "/v1/apps", { token: tenant.token })).body.items, []);
});

test("a client that sends its body next to never is cut off; a slow one that goes on is not", async () => {
  const context = await tarOf(["Dockerfile", "FROM scratch\n"], ["filler", Buffer.alloc(200_000, "x")]);
  const request = (path: string) => head(`POST ${path} HTTP/1.1`, "Content-Type: application/x-tar", `Content-Length: ${context.length}`, "Connection: close");
  const drip = raw(request("/v1/apps/drip/deployments"));
  const drops = setInterval(() => drip.socket.writable && drip.socket.write(Buffer.alloc(1, "x")), 50);
  assert.equal(await drip.answer, "");
  clearInterval(drops);

  const slow = raw(request("/v1/apps/slow/deployments"));
  for (let at = 0; at < context.length; at += 16_384) {
    slow.socket.write(context.subarray(at, at + 16_384));
    await sleep(150);
  }
  assert.match(await slow.answer, /^HTTP\/1\.1 202 /);
});

test("2,000 clients that never finish their request hold up nobody, and are cut off", async () => {
  const clients = Array.from({ length: 2000 }, (_, index) =>
    index % 2 === 0 ? raw("GET /v1/whoami HTTP/1.1\r\nHost: x\r\nX-Slow: ") : raw(head("POST /v1/apps HTTP/1.1", "Content-Type: application/json", "Content-Length: 1000"), "{"),
  );
  const ended = Promise.all(clients.map(({ answer }) => answer));
  const took: number[] = [];
  for (let i = 0; i < 20; i++) {
    const startedAt = performance.now();
    assert.equal((await api.call("GET", "/v1/whoami", { token: tenant.token })).status, 200);
    took.push(performance.now() - startedAt);
  }
  assert.ok(Math.max(...took) < 5000, `${Math.max(...took)} ms`);
  const answers = await Promise.race([ended, sleep(60_000, undefined, { ref: false })]);
  assert.ok(answers, "some are still there after 60 s");
  assert.ok(answers.every((text) => text === "" || text.startsWith("HTTP/1.1 408 ")));
});
