/** What the gateway does with requests of apps that ask for it: one gateway, an app for each feature. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { request, type RequestListener } from "node:http";
import { connect as connectHttp2, createServer as createHttp2, type ClientHttp2Session, type IncomingHttpHeaders, type ServerHttp2Stream } from "node:http2";
import { connect, type AddressInfo } from "node:net";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { gunzipSync } from "node:zlib";
import { WebSocket, WebSocketServer } from "ws";
import type { Route } from "../../core/contract/gateway-channel.ts";
import { newId } from "../../core/contract/ids.ts";
import { openAdminSocket } from "../../gateway/admin-socket.ts";
import { filesOf } from "../../gateway/commands/files.ts";
import { TestGateway, until } from "../support/gateway.ts";

type Features = NonNullable<Route["http"]>;

let gateway: TestGateway;
before(async () => {
  gateway = await TestGateway.start({ BERTH_GATEWAY_STOP_MS: "300" });
});
after(() => gateway.stop());

const echo: RequestListener = (incoming, response) => response.end(JSON.stringify(incoming.headers));

async function featured(name: string, http: Features, handler: RequestListener = echo, more: Partial<Route> = {}) {
  const app = await gateway.app(handler);
  return { app, route: await gateway.route(name, [app], { http, ...more }) };
}

/** Over HTTP/2 without TLS, as the connection's first bytes say. */
async function overHttp2<T>(use: (session: ClientHttp2Session) => Promise<T>): Promise<T> {
  const session = connectHttp2(`http://127.0.0.1:${gateway.port}`);
  session.on("error", () => {});
  try {
    return await use(session);
  } finally {
    session.destroy();
  }
}

interface Http2Answer {
  headers: IncomingHttpHeaders;
  body: string;
  trailers: IncomingHttpHeaders;
  chunksAt: number[];
}

function ask(session: ClientHttp2Session, headers: Record<string, string>, body?: Buffer): Promise<Http2Answer> {
  return new Promise((resolve, reject) => {
    const stream = session.request(headers, { endStream: body === undefined });
    const answer: Http2Answer = { headers: {}, body: "", trailers: {}, chunksAt: [] };
    stream.on("response", (got) => (answer.headers = got));
    stream.on("trailers", (got) => (answer.trailers = got));
    stream.on("data", (data: Buffer) => {
      answer.body += data.toString("latin1");
      answer.chunksAt.push(performance.now());
    });
    stream.on("end", () => resolve(answer));
    stream.on("error", reject);
    if (body !== undefined) stream.end(body);
  });
}

const basic = (text: string) => `Basic ${Buffer.from(text).toString("base64")}`;
const passwordHash = (password: string) => {
  const salt = "00112233445566778899aabbccddeeff";
  return `sha256:${salt}:${createHash("sha256").update(salt + password).digest("hex")}`;
};
const open = { user: "anna", passwordHash: passwordHash("correct:horse") };

test("addresses that are not on an app's list get 403, whatever they claim, and over every way in", async () => {
  await featured("listed", { allowFrom: ["10.0.0.0/8", "2001:db8::/32"] });
  const page = await gateway.get("listed");
  assert.deepEqual([page.status, /does not answer to this address/.test(page.body)], [403, true]);
  const problem = await gateway.get("LISTED.berth.localhost.:80", { headers: { accept: "application/json", "x-forwarded-for": "10.0.0.1", forwarded: "for=10.0.0.1", "x-real-ip": "10.0.0.1" } });
  assert.deepEqual([problem.status, (JSON.parse(problem.body) as { code: string }).code], [403, "address_not_allowed"]);
  assert.match(String(problem.headers["x-request-id"]), /^[0-9a-f-]{36}-1$/);
  const { headers } = await overHttp2((session) => ask(session, { ":authority": "listed.berth.localhost", "x-forwarded-for": "10.0.0.1" }));
  assert.equal(headers[":status"], 403);
  const socket = new WebSocket(`ws://127.0.0.1:${gateway.port}/`, { headers: { host: "listed.berth.localhost" } });
  const [error] = (await once(socket, "error")) as [Error];
  assert.match(error.message, /403/);
  await featured("listed-here", { allowFrom: ["2001:db8::1", "127.0.0.1"] });
  const answer = await gateway.get("listed-here");
  assert.equal(answer.status, 200);
  const seen = JSON.parse(answer.body) as Record<string, string>;
  assert.deepEqual([seen["x-forwarded-for"], seen["x-forwarded-proto"], seen["host"]], ["127.0.0.1", "http", "listed-here.berth.localhost"]);
});

test("a password opens an app; what the app gets does not have it", async () => {
  await featured("locked", { basicAuth: open });
  const asked = await gateway.get("locked");
  assert.deepEqual([asked.status, asked.headers["www-authenticate"]], [401, 'Basic realm="app", charset="UTF-8"']);
  for (const wrong of [basic("anna:wrong"), basic("bob:correct:horse"), basic("anna"), "Basic", "Basic %%%", "Bearer x", basic("anna:correct:horse\0"), `${basic("anna:correct:horse")}, x`]) {
    assert.equal((await gateway.get("locked", { headers: { authorization: wrong } })).status, 401, wrong);
  }
  // Two of them: which one counts is nobody's guess.
  const twice = await raw(`GET / HTTP/1.1\r\nHost: locked.berth.localhost\r\nAuthorization: ${basic("anna:wrong")}\r\nAuthorization: ${basic("anna:correct:horse")}\r\n\r\n`);
  assert.match(twice, /^HTTP\/1\.1 401 /);
  const inside = await gateway.get("locked", { headers: { authorization: basic("anna:correct:horse") } });
  assert.equal(inside.status, 200);
  assert.equal((JSON.parse(inside.body) as Record<string, string>)["authorization"], undefined);
});

test("more requests than the limit get 429 and when to come again; another client's and another app's do not count", async () => {
  await featured("limited", { rateLimit: { requests: 5, periodMs: 60_000, by: "address" } });
  await featured("limited-too", { rateLimit: { requests: 5, periodMs: 60_000, by: "address" } });
  const statuses: number[] = [];
  for (let i = 0; i < 7; i++) statuses.push((await gateway.get("limited", { headers: { "x-forwarded-for": `1.2.3.${i}` } })).status);
  assert.deepEqual(statuses, [200, 200, 200, 200, 200, 429, 429]);
  const refused = await gateway.get("limited", { headers: { accept: "application/json" } });
  const { code } = JSON.parse(refused.body) as { code: string };
  assert.equal(code, "rate_limited");
  const waitS = Number(refused.headers["retry-after"]);
  assert.ok(waitS >= 1 && waitS <= 12, `${waitS}`);
  assert.equal((await gateway.get("limited-too")).status, 200);
  const elsewhere = await new Promise<number>((resolve, reject) => {
    request({ host: "127.0.0.1", port: gateway.port, localAddress: "127.0.0.9", headers: { host: "limited.berth.localhost" }, agent: false }, (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    }).on("error", reject).end();
  });
  assert.equal(elsewhere, 200);
  // It fills again by a request each step.
  await featured("quick", { rateLimit: { requests: 2, periodMs: 300, by: "app" } });
  const burst = await Promise.all([1, 2, 3].map(() => gateway.get("quick")));
  assert.deepEqual(burst.map(({ status }) => status).toSorted(), [200, 200, 429]);
  await until(async () => (await gateway.get("quick")).status === 200);
});

test("under maintenance every request gets 503 with the app's page and Retry-After; then all is as before", async () => {
  const { route } = await featured("works", { errorPages: { "503": "<h1>Back at noon</h1>" } });
  assert.equal((await gateway.get("works")).status, 200);
  await gateway.send({ ...route, maintenance: { retryAfterS: 1800 } });
  const page = await gateway.get("works");
  assert.deepEqual([page.status, page.headers["retry-after"], page.body, page.headers["cache-control"]], [503, "1800", "<h1>Back at noon</h1>", "no-store"]);
  const problem = await gateway.get("works", { method: "POST", body: "x", headers: { accept: "application/json" } });
  assert.equal((JSON.parse(problem.body) as { code: string }).code, "under_maintenance");
  await gateway.send(route);
  assert.equal((await gateway.get("works")).status, 200);
  // Before there is an instance too: nobody is held for it.
  await gateway.route("works-not", [], { maintenance: { retryAfterS: 60 } });
  assert.equal((await gateway.get("works-not")).status, 503);
});

test("an app's own pages stand in for the gateway's", async () => {
  const { app, route } = await featured("paged", { errorPages: { "502": "five-oh-two", "503": "five-oh-three %[src] é", "504": "five-oh-four" } }, (incoming, response) => {
    if (incoming.url === "/broken") response.socket?.end("nonsense\r\n\r\n");
  }, { requestTimeoutMs: 1000, holdTimeoutMs: 100 });
  assert.deepEqual(await gateway.get("paged", { path: "/broken" }).then(({ status, body }) => [status, body]), [502, "five-oh-two"]);
  assert.deepEqual(await gateway.get("paged", { path: "/slow" }).then(({ status, body }) => [status, body]), [504, "five-oh-four"]);
  app.server.close();
  app.server.closeAllConnections();
  const away = await gateway.get("paged");
  assert.deepEqual([away.status, away.body, away.headers["retry-after"]], [503, "five-oh-three %[src] é", "1"]);
  await gateway.send({ ...route, endpoints: [] });
  assert.equal((await gateway.get("paged")).body, "five-oh-three %[src] é");
  const { http: _, ...plain } = route;
  await gateway.send({ ...plain, endpoints: [] });
  assert.match((await gateway.get("paged")).body, /The app did not start in time/);
});

test("text is compressed for apps that ask for it, and only where it helps", async () => {
  const long = "hello ".repeat(1000);
  const types: Record<string, string> = { "/text": "text/html; charset=utf-8", "/image": "image/png", "/events": "text/event-stream" };
  const handler: RequestListener = (incoming, response) => {
    response.writeHead(200, { "content-type": types[incoming.url ?? ""] ?? "text/plain", ...(incoming.url === "/own" ? { "content-encoding": "br" } : {}) });
    response.end(long);
  };
  await featured("gzipped", { compression: true }, handler);
  await featured("as-it-is", { socketIdleMs: 60_000 }, handler);
  const headers = { "accept-encoding": "gzip, br" };
  const encoding = async (host: string, path: string) => (await gateway.get(host, { path, headers })).headers["content-encoding"];
  assert.deepEqual(await Promise.all(["/text", "/image", "/events", "/own"].map((path) => encoding("gzipped", path))), ["gzip", undefined, undefined, "br"]);
  assert.equal(await encoding("as-it-is", "/text"), undefined);
  assert.equal((await gateway.get("gzipped", { path: "/text" })).headers["content-encoding"], undefined);
  const { body, headers: got } = await overHttp2((session) => ask(session, { ":authority": "gzipped.berth.localhost", ":path": "/text", "accept-encoding": "gzip" }));
  assert.equal(gunzipSync(Buffer.from(body, "latin1")).toString(), long);
  assert.match(got["vary"] ?? "", /accept-encoding/i);
});

test("a client comes back to its instance by a cookie, until that one drains or is gone", async () => {
  const apps = await Promise.all([2, 3, 4].map((n) => gateway.app((_incoming, response) => response.end(`${n}`), `127.0.0.${n}`)));
  const route = await gateway.route("sticky", apps, { http: { sticky: true } });
  const first = await gateway.get("sticky");
  const cookie = first.headers["set-cookie"]?.[0] ?? "";
  assert.match(cookie, /^berth-instance=[0-9A-F]{32}; Path=\/; HttpOnly; SameSite=Lax$/);
  assert.doesNotMatch(JSON.stringify(first.headers), /ins_|slot_/);
  const back = { cookie: `a=b; ${cookie.split(";")[0]}; c=d` };
  for (let i = 0; i < 12; i++) {
    const again = await gateway.get("sticky", { headers: back });
    assert.deepEqual([again.body, again.headers["set-cookie"]], [first.body, undefined]);
  }
  const isMine = ({ address }: { address: string }) => address.endsWith(`.${first.body}`);
  await gateway.send({ ...route, endpoints: route.endpoints.filter((one) => !isMine(one)), draining: route.endpoints.filter(isMine) });
  const other = await gateway.get("sticky", { headers: back });
  assert.notEqual(other.body, first.body);
  assert.match(other.headers["set-cookie"]?.[0] ?? "", /^berth-instance=/);
  // One of another app, and nonsense: served by any.
  const stranger = await gateway.app((_incoming, response) => response.end("stranger"));
  await gateway.route("stranger", [stranger], { http: { sticky: true } });
  const theirs = (await gateway.get("stranger")).headers["set-cookie"]?.[0]?.split(";")[0] ?? "";
  for (const odd of [theirs, "berth-instance=", "berth-instance=../x", `berth-instance=${"A".repeat(32)}`]) assert.ok(["2", "3", "4"].includes((await gateway.get("sticky", { headers: { cookie: odd } })).body));
});

test("addresses of IPv6, and of IPv4 where one listener takes both", async (t) => {
  const both = await TestGateway.start({ BERTH_GATEWAY_STOP_MS: "300", BERTH_GATEWAY_SLOTS: "8" }, "[::]");
  t.after(() => both.stop());
  const app = await both.app(echo);
  await both.route("six", [app], { http: { allowFrom: ["::1", "127.0.0.1"], rateLimit: { requests: 2, periodMs: 60_000, by: "address" } } });
  const from = (host: string) => new Promise<number>((resolve, reject) => {
    request({ host, port: both.port, headers: { host: "six.berth.localhost" }, agent: false }, (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    }).on("error", reject).end();
  });
  for (const host of ["::1", "127.0.0.1"]) assert.deepEqual([await from(host), await from(host), await from(host)], [200, 200, 429], host);
  const { body } = await both.route("plain", [app]).then(() => both.get("plain"));
  assert.match((JSON.parse(body) as Record<string, string>)["x-forwarded-for"] ?? "", /127\.0\.0\.1$/);
});

test("words that cannot be read let nobody in", async () => {
  await featured("unread", { rateLimit: { requests: 5, periodMs: 1000, by: "address" } });
  assert.equal((await gateway.get("unread")).status, 200);
  const { features } = filesOf(gateway.dir);
  const admin = await openAdminSocket(filesOf(gateway.dir).admin);
  const [, slot = ""] = /(slot_\d+) rate=5:1000:address$/m.exec(await admin.send(`show map ${features}`)) ?? [];
  for (const words of ["rate=nonsense", "auth=nonsense", "maintenance=x", "nonsense", "sticky|nonsense=1"]) {
    await admin.send(`set map ${features} ${slot} ${words}`);
    assert.equal((await gateway.get("unread")).status, 500, words);
  }
  admin.close();
});

test("features come and go with the route, survive HAProxy and the controller, and cost others nothing", async () => {
  const { route } = await featured("changing", {});
  await gateway.send({ ...route, http: { allowFrom: ["10.0.0.0/8"], sticky: true, errorPages: { "503": "mine" } } });
  assert.equal((await gateway.get("changing")).status, 403);
  await gateway.killController();
  process.kill(gateway.haproxyPid, "SIGKILL");
  await gateway.startController();
  assert.equal((await gateway.get("changing")).status, 403);
  await gateway.send({ ...route, hosts: [...route.hosts, "changing.example.com"], http: { allowFrom: ["127.0.0.0/8"] } });
  assert.deepEqual([(await gateway.get("changing")).status, (await gateway.get("changing.example.com")).status], [200, 200]);
  await gateway.send({ ...route, hosts: [] });
  assert.equal((await gateway.get("changing")).status, 404);
  assert.equal(gateway.log.match(/haproxy reloaded/g), null);
});

/** A gRPC server without its library: what matters is HTTP/2, its trailers and its pace. */
async function grpcServer() {
  const server = createHttp2();
  server.on("stream", (stream: ServerHttp2Stream, headers) => {
    const answer = async () => {
      stream.respond({ ":status": 200, "content-type": "application/grpc" }, { waitForTrailers: true });
      stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0", "grpc-message": "fine" }));
      if (headers[":path"] === "/echo.Echo/Unary") stream.pipe(stream);
      else if (headers[":path"] === "/echo.Echo/Stream") {
        for (let i = 0; i < 3; i++) {
          stream.write(`${i}`);
          await sleep(150);
        }
        stream.end();
      } else stream.end(JSON.stringify(headers));
    };
    stream.on("error", () => {});
    void answer();
  });
  server.listen(0, "127.0.0.5");
  await once(server, "listening");
  return { server, endpoint: { instanceId: newId("instance"), address: "127.0.0.5", port: (server.address() as AddressInfo).port, protocol: "h2c" as const } };
}

test("gRPC end to end: HTTP/2 to the app, trailers, streams; with and without features", async (t) => {
  const { server, endpoint } = await grpcServer();
  t.after(() => server.close());
  for (const [name, http] of [["grpc", undefined], ["grpc-featured", { compression: true, allowFrom: ["127.0.0.1"] }]] as const) {
    await gateway.send({ ...gateway.makeRoute(name, []), endpoints: [endpoint], ...(http && { http: { ...http, allowFrom: [...http.allowFrom] } }) });
    await overHttp2(async (session) => {
      const headers = (path: string) => ({ ":method": "POST", ":path": path, ":authority": `${name}.berth.localhost`, "content-type": "application/grpc", te: "trailers" });
      const unary = await ask(session, headers("/echo.Echo/Unary"), Buffer.from([0, 0, 0, 0, 2, 8, 7]));
      assert.deepEqual([unary.headers[":status"], unary.body, unary.trailers["grpc-status"], unary.trailers["grpc-message"]], [200, "\0\0\0\0\u0002\u0008\u0007", "0", "fine"], name);
      const streamed = await ask(session, headers("/echo.Echo/Stream"), Buffer.alloc(0));
      assert.deepEqual([streamed.body, streamed.trailers["grpc-status"], streamed.chunksAt.length], ["012", "0", 3], name);
      assert.ok((streamed.chunksAt[2] ?? 0) - (streamed.chunksAt[0] ?? 0) > 200);
      const seen = JSON.parse((await ask(session, headers("/headers"), Buffer.alloc(0))).body) as Record<string, string>;
      assert.deepEqual([seen["te"], seen["x-forwarded-for"], seen[":authority"] ?? seen["host"]], ["trailers", "127.0.0.1", `${name}.berth.localhost`]);
      const many = await Promise.all(Array.from({ length: 50 }, (_, at) => ask(session, headers("/echo.Echo/Unary"), Buffer.from(`${at}`))));
      assert.deepEqual(many.map(({ body }) => Number(body)), Array.from({ length: 50 }, (_, at) => at));
    });
    // HTTP/1.1 of a client reaches the same app.
    assert.equal((await gateway.get(name)).status, 200);
    await gateway.send({ ...gateway.makeRoute(name, []), hosts: [] });
  }
});

test("HTTP/2 of a client reaches an app of HTTP/1.1, WebSockets too; what it may not say is refused", async () => {
  const app = await gateway.app(echo);
  const sockets = new WebSocketServer({ server: app.server });
  sockets.on("connection", (socket) => socket.on("message", (data) => socket.send(data)));
  await gateway.route("two", [app]);
  await gateway.route("two-featured", [app], { http: { sticky: true } });
  await overHttp2(async (session) => {
    const { headers, body } = await ask(session, { ":authority": "two.berth.localhost", "x-forwarded-for": "6.6.6.6", "x_forwarded_for": "6.6.6.6", "x-real-ip": "6.6.6.6", cookie: "a=b" });
    const seen = JSON.parse(body) as Record<string, string>;
    assert.deepEqual([headers[":status"], seen["host"], seen["x-forwarded-for"], seen["cookie"], /6\.6\.6/.test(body)], [200, "two.berth.localhost", "127.0.0.1", "a=b", false]);
    const ids = await Promise.all([1, 2, 3].map(async () => (JSON.parse((await ask(session, { ":authority": "two.berth.localhost" })).body) as Record<string, string>)["x-request-id"]));
    assert.equal(new Set(ids).size, 3);
    assert.equal((await ask(session, { ":authority": "nobody.berth.localhost" })).headers[":status"], 404);
    for (const name of ["two", "two-featured"]) {
      const stream = session.request({ ":method": "CONNECT", ":protocol": "websocket", ":scheme": "http", ":path": "/", ":authority": `${name}.berth.localhost`, "sec-websocket-version": "13" }, { endStream: false });
      const [got] = (await once(stream, "response")) as [IncomingHttpHeaders];
      assert.equal(got[":status"], 200, name);
      // A text frame «hi» with a mask of zeroes.
      stream.write(Buffer.from([0x81, 0x82, 0, 0, 0, 0, 0x68, 0x69]));
      const [frame] = (await once(stream, "data")) as [Buffer];
      assert.deepEqual([...frame], [0x82, 2, 0x68, 0x69]);
      stream.close();
    }
  });
  for (const odd of [{ ":authority": "two.berth.localhost", host: "stranger.berth.localhost" }, { ":authority": "two.berth.localhost@stranger.berth.localhost" }, { ":method": "TRACE", ":authority": "two.berth.localhost" }]) {
    const status = await overHttp2((session) => ask(session, odd).then(({ headers, body }) => `${headers[":status"]} ${/"host":"([^"]*)"/.exec(body)?.[1] ?? ""}`, () => "reset"));
    assert.ok(["200 two.berth.localhost", "400 ", "404 ", "405 ", "reset"].includes(status), `${JSON.stringify(odd)} ${status}`);
  }
});

test("a WebSocket that is silent for an app's time is closed; one that talks is not", async () => {
  const app = await gateway.app(echo);
  const sockets = new WebSocketServer({ server: app.server });
  sockets.on("connection", (socket) => socket.on("message", (data) => socket.send(data)));
  await gateway.route("idle", [app], { http: { socketIdleMs: 1000 } });
  const join = async () => {
    const socket = new WebSocket(`ws://127.0.0.1:${gateway.port}/`, { headers: { host: "idle.berth.localhost" } });
    await once(socket, "open");
    return socket;
  };
  const [silent, talking] = await Promise.all([join(), join()]);
  const talk = setInterval(() => talking.send("x"), 200);
  await once(silent, "close");
  assert.equal(talking.readyState, WebSocket.OPEN);
  clearInterval(talk);
  talking.close();
});

async function raw(text: string): Promise<string> {
  const socket = connect(gateway.port, "127.0.0.1");
  socket.on("error", () => {});
  socket.write(text);
  const [data] = (await once(socket, "data")) as [Buffer];
  socket.destroy();
  return data.toString("latin1");
}
