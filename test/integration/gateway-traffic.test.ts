import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { Agent, request } from "node:http";
import { connect } from "node:net";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { WebSocket, WebSocketServer } from "ws";
import { TestGateway, until } from "../support/gateway.ts";

let gateway: TestGateway;
before(async () => {
  gateway = await TestGateway.start({ BERTH_GATEWAY_STOP_MS: "300", BERTH_GATEWAY_MAX_PER_APP: "2000" });
});
after(() => gateway.stop());

/** What a raw client gets until the connection closes or is silent for a while. */
async function raw(text: string, waitMs = 600): Promise<string> {
  const socket = connect(gateway.port, "127.0.0.1");
  let got = "";
  socket.on("data", (data) => (got += data.toString("latin1")));
  socket.on("error", () => {});
  socket.write(text);
  await Promise.race([once(socket, "close"), sleep(waitMs)]);
  socket.destroy();
  return got;
}

test("a WebSocket is passed through both ways; other upgrades are not", async () => {
  const app = await gateway.app((request, response) => response.end(JSON.stringify(request.headers)));
  const server = new WebSocketServer({ server: app.server });
  server.on("connection", (socket) => socket.on("message", (data, binary) => socket.send(data, { binary })));
  await gateway.route("ws", [app]);
  const socket = new WebSocket(`ws://127.0.0.1:${gateway.port}/chat`, { headers: { host: "ws.berth.localhost" } });
  await once(socket, "open");
  for (const text of ["one", "two", "x".repeat(100_000)]) {
    socket.send(text);
    const [echo] = (await once(socket, "message")) as [Buffer];
    assert.equal(echo.toString(), text);
  }
  socket.close();
  const answer = await raw("GET / HTTP/1.1\r\nHost: ws.berth.localhost\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n");
  assert.match(answer, /^HTTP\/1\.1 200 /);
  const headers = JSON.parse(/\{[^]*\}/.exec(answer)?.[0] ?? "{}") as Record<string, string>;
  assert.equal(headers["upgrade"], undefined);
  assert.equal(headers["http2-settings"], undefined);
});

test("server-sent events arrive one by one", async () => {
  const app = await gateway.app(async (_request, response) => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    for (let i = 0; i < 4; i++) {
      response.write(`data: ${i}\n\n`);
      await sleep(150);
    }
    response.end();
  });
  await gateway.route("sse", [app]);
  const times: number[] = [];
  await new Promise((resolve, reject) => {
    request({ host: "127.0.0.1", port: gateway.port, headers: { host: "sse.berth.localhost" }, agent: false }, (response) => {
      response.on("data", () => times.push(performance.now()));
      response.on("end", resolve);
    }).on("error", reject).end();
  });
  assert.equal(times.length, 4);
  for (let i = 1; i < times.length; i++) assert.ok((times[i] ?? 0) - (times[i - 1] ?? 0) > 100, `${times}`);
});

test("large bodies pass whole in both directions", async () => {
  const app = await gateway.app((incoming, response) => void incoming.pipe(response));
  await gateway.route("large", [app]);
  const body = "0123456789abcdef".repeat(2 ** 18);
  const answer = await gateway.get("large", { method: "POST", body });
  const hash = (text: string) => createHash("sha256").update(text).digest("hex");
  assert.equal(hash(answer.body), hash(body));
});

test("what a client claims about its way here does not reach the app", async () => {
  const app = await gateway.app((incoming, response) => response.end(JSON.stringify(incoming.headers)));
  await gateway.route("spoof", [app]);
  const { body } = await gateway.get("spoof", {
    headers: {
      "x-forwarded-for": "1.2.3.4", "X-Forwarded-Proto": "https", "x-forwarded-host": "evil", "x-forwarded-port": "1", "x-forwarded-prefix": "/x",
      forwarded: "for=1.2.3.4", "x-real-ip": "1.2.3.4", x_forwarded_for: "1.2.3.4", "x-request-id": "mine", "x-other": "kept",
    },
  });
  const headers = JSON.parse(body) as Record<string, string>;
  assert.equal(headers["x-forwarded-for"], "127.0.0.1");
  assert.equal(headers["x-forwarded-proto"], "http");
  assert.equal(headers["host"], "spoof.berth.localhost");
  assert.match(headers["x-request-id"] ?? "", /^[0-9a-f-]{36}-1$/);
  assert.equal(headers["x-other"], "kept");
  for (const name of ["x-forwarded-host", "x-forwarded-port", "x-forwarded-prefix", "forwarded", "x-real-ip", "x_forwarded_for"]) assert.equal(headers[name], undefined, name);
});

test("no request hides behind another one", async () => {
  const seen: string[] = [];
  const app = await gateway.app((incoming, response) => {
    seen.push(`${incoming.method} ${incoming.url}`);
    incoming.resume();
    incoming.on("end", () => response.end("ok"));
  });
  await gateway.route("smuggle", [app]);
  const host = "Host: smuggle.berth.localhost\r\n";
  const hidden = "GET /hidden HTTP/1.1\r\nHost: smuggle.berth.localhost\r\n\r\n";
  const cases: [name: string, text: string][] = [
    ["CL.TE", `POST / HTTP/1.1\r\n${host}Content-Length: ${5 + hidden.length}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${hidden}`],
    ["TE.CL", `POST / HTTP/1.1\r\n${host}Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n5c\r\n${hidden}\r\n0\r\n\r\n`],
    ["TE obfuscated", `POST / HTTP/1.1\r\n${host}Transfer-Encoding: xchunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n`],
    ["two lengths", `POST / HTTP/1.1\r\n${host}Content-Length: 0\r\nContent-Length: ${hidden.length}\r\n\r\n${hidden}`],
    ["blank in a header's name", `GET / HTTP/1.1\r\n${host}X-A : b\r\n\r\n`],
    ["header without a name", `GET / HTTP/1.1\r\n${host}: b\r\n\r\n`],
    ["bare CR in a header", `GET / HTTP/1.1\r\n${host}X-A: b\rX-B: c\r\n\r\n`],
    ["two hosts", `GET / HTTP/1.1\r\n${host}Host: other\r\n\r\n`],
    ["host against target", `GET http://other/ HTTP/1.1\r\n${host}\r\n`],
    ["NUL", `GET / HTTP/1.1\r\n${host}X-A: \0\r\n\r\n`],
    ["length that is none", `POST / HTTP/1.1\r\n${host}Content-Length: +5\r\n\r\nhello`],
    ["chunk size that is none", `POST / HTTP/1.1\r\n${host}Transfer-Encoding: chunked\r\n\r\n0x5\r\nhello\r\n0\r\n\r\n`],
    ["too many headers", `GET / HTTP/1.1\r\n${host}${Array.from({ length: 200 }, (_, i) => `x-${i}: y\r\n`).join("")}\r\n`],
    ["headers too large", `GET / HTTP/1.1\r\n${host}x-a: ${"y".repeat(20_000)}\r\n\r\n`],
    ["CONNECT", `CONNECT smuggle.berth.localhost:80 HTTP/1.1\r\n${host}\r\n`],
  ];
  for (const [name, text] of cases) {
    seen.length = 0;
    const answer = await raw(text, 400);
    assert.ok(!seen.includes("GET /hidden") || /^HTTP\/1\.1 200[^]*HTTP\/1\.1 200/.test(answer), `${name}: ${seen} ${answer}`);
    if (name !== "CL.TE" && name !== "TE.CL" && name !== "host against target") assert.match(answer, /^HTTP\/1\.[01] (4\d\d|5\d\d) /, `${name}: ${answer.slice(0, 200)} ${seen}`);
  }
  // A bare line feed ends a line for HAProxy; the app gets the request as HAProxy has read it.
  seen.length = 0;
  await raw(`GET /one HTTP/1.1\n${host.replace("\r", "")}\n`, 300);
  assert.ok(seen.length <= 1, `${seen}`);
});

test("an instance that is killed under load fails no idempotent request", async () => {
  const apps = await Promise.all([2, 3].map((n) => gateway.app(async (_request, response) => {
    await sleep(5);
    response.end(`from ${n}`);
  }, `127.0.0.${n}`)));
  await gateway.route("killed", apps);
  const agent = new Agent({ keepAlive: true, maxSockets: 20 });
  const bad: unknown[] = [];
  let count = 0;
  const endAt = Date.now() + 1500;
  const client = async () => {
    while (Date.now() < endAt) {
      const status = await new Promise((resolve) => {
        request({ host: "127.0.0.1", port: gateway.port, agent, headers: { host: "killed.berth.localhost" } }, (response) => {
          response.resume();
          response.on("end", () => resolve(response.statusCode));
        }).on("error", resolve).end();
      });
      count++;
      if (status !== 200) bad.push(status);
    }
  };
  const clients = Array.from({ length: 20 }, client);
  await sleep(500);
  apps[0]?.server.close();
  apps[0]?.server.closeAllConnections();
  await Promise.all(clients);
  agent.destroy();
  assert.deepEqual(bad, []);
  assert.ok(count > 500, `${count}`);
});

test("an instance gets no more requests at a time than its app allows, 1 to 1,000; the others wait", async () => {
  for (const [concurrency, requests] of [[1, 20], [3, 60], [1000, 1300]] as const) {
    let now = 0;
    let most = 0;
    const full = Promise.withResolvers<void>();
    const app = await gateway.app(async (_request, response) => {
      most = Math.max(most, ++now);
      if (now >= concurrency) full.resolve();
      // As many as there may be are there before the first is answered.
      await Promise.race([full.promise, sleep(10_000)]);
      await sleep(5);
      now--;
      response.end();
    });
    const name = `narrow${concurrency}`;
    await gateway.route(name, [app], { concurrency });
    const answers = await Promise.all(Array.from({ length: requests }, () => gateway.get(name)));
    assert.deepEqual([...new Set(answers.map(({ status }) => status))], [200]);
    assert.equal(most, concurrency);
  }
});

test("a slow app is given up after its request timeout", async () => {
  const app = await gateway.app(() => {});
  await gateway.route("stuck", [app], { requestTimeoutMs: 1000 });
  const beganAt = performance.now();
  const { status, body } = await gateway.get("stuck");
  assert.equal(status, 504);
  assert.match(body, /The app took too long/);
  assert.ok(performance.now() - beganAt < 1900);
});

test("a client that leaves is not held any longer", async () => {
  const route = await gateway.route("left", [], { holdTimeoutMs: 10_000 });
  const sent = request({ host: "127.0.0.1", port: gateway.port, agent: false, headers: { host: "left.berth.localhost" } });
  sent.on("error", () => {});
  sent.end();
  await until(() => gateway.api.all("wanted").some((one) => one.appId === route.appId));
  sent.destroy();
  await sleep(1300);
  const before = gateway.api.all("wanted").filter((one) => one.appId === route.appId).length;
  await sleep(2500);
  assert.equal(gateway.api.all("wanted").filter((one) => one.appId === route.appId).length, before);
});
