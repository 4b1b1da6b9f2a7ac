/**
 * The gateway against hostile clients and hostile apps, byte by byte: raw sockets on both sides of the real HAProxy. What
 * an app is given must be read by every reader alike: one length, one host, lines that end in CR LF.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { newId } from "../../core/contract/ids.ts";
import { TestGateway } from "../support/gateway.ts";

/** An app that keeps every byte that it is given, and answers each head with what the test says. */
class RawApp {
  readonly server: Server;
  /** Bytes of each connection of the gateway's. */
  connections: string[] = [];
  answer: (head: string, socket: Socket) => void = (_head, socket) => socket.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");

  constructor() {
    this.server = createServer((socket) => {
      const index = this.connections.push("") - 1;
      let answered = 0;
      socket.on("error", () => {});
      socket.on("data", (data) => {
        const text = (this.connections[index] ?? "") + data.toString("latin1");
        this.connections[index] = text;
        const heads = text.match(/[A-Z]+ [^\r\n]+ HTTP\/1\.1\r\n[^]*?\r\n\r\n/g) ?? [];
        for (; answered < heads.length; answered++) this.answer(heads[answered] ?? "", socket);
      });
    });
  }

  /** All that came. */
  get seen(): string {
    return this.connections.join("");
  }
}

let gateway: TestGateway;
const app = new RawApp();
const other = new RawApp();
before(async () => {
  gateway = await TestGateway.start({ BERTH_GATEWAY_STOP_MS: "300" });
  for (const [name, one] of [["raw", app], ["other", other]] as const) {
    one.server.listen(0, "127.0.0.3");
    await once(one.server, "listening");
    await gateway.route(name, [{ instanceId: newId("instance"), address: "127.0.0.3", port: (one.server.address() as AddressInfo).port }]);
  }
});
after(async () => {
  await gateway.stop();
  for (const one of [app, other]) one.server.close();
});

const HOST = "Host: raw.berth.localhost\r\n";

/** What a client gets that sends this and waits until it is told enough, cut off, or nothing comes for a while. */
async function send(text: string, waitMs = 250): Promise<string> {
  app.connections = [];
  other.connections = [];
  const socket = connect(gateway.port, "127.0.0.1");
  let got = "";
  let lastAt = Date.now();
  socket.on("data", (data) => {
    got += data.toString("latin1");
    lastAt = Date.now();
  });
  socket.on("error", () => {});
  const closed = once(socket, "close").then(() => true);
  socket.write(Buffer.from(text, "latin1"));
  while (!(await Promise.race([closed, sleep(20)])) && Date.now() - lastAt < waitMs);
  socket.destroy();
  return got;
}

const statuses = (got: string) => [...got.matchAll(/HTTP\/1\.[01] (\d{3})/g)].map((match) => Number(match[1]));

/** The request lines in what an app was given, read as the strictest reader would. Throws where two readers could differ. */
function requestsIn(bytes: string): string[] {
  const found: string[] = [];
  const wrong = ambiguity(bytes, found);
  assert.equal(wrong, undefined, JSON.stringify(bytes));
  return found;
}

function ambiguity(bytes: string, found: string[] = []): string | undefined {
  for (let rest = bytes; rest !== ""; ) {
    const end = rest.indexOf("\r\n\r\n");
    if (end === -1) return `no end of a head in ${JSON.stringify(rest)}`;
    const [requestLine = "", ...lines] = rest.slice(0, end).split("\r\n");
    if (!/^[A-Z]+ \/[^\s\x00-\x20\x7f]* HTTP\/1\.1$/.test(requestLine)) return `request line ${JSON.stringify(requestLine)}`;
    found.push(requestLine);
    const odd = lines.find((line) => !/^[A-Za-z0-9!#$%&'*+.^`|~-]+: ?[^\x00-\x08\x0a-\x1f\x7f]*$/.test(line));
    if (odd !== undefined) return `header ${JSON.stringify(odd)}`;
    const values = (name: string) => lines.flatMap((line) => (line.toLowerCase().startsWith(`${name}:`) ? [line.slice(name.length + 1).trim()] : []));
    const [lengths, encodings, hosts] = [values("content-length"), values("transfer-encoding"), values("host")];
    if (hosts.length !== 1) return `${hosts.length} hosts`;
    if (lengths.length + encodings.length > 1) return `lengths ${lengths}, encodings ${encodings}`;
    if (encodings.some((encoding) => encoding.toLowerCase() !== "chunked")) return `encoding ${encodings}`;
    rest = rest.slice(end + 4);
    if (encodings.length === 1) {
      const body = /^(?:(?!0+\r\n)[0-9a-f]+\r\n[^]*?\r\n)*?0+\r\n(?:[a-z-]+: ?[^\r\n]*\r\n)*\r\n/i.exec(rest);
      if (body === null) return `no end of the chunks in ${JSON.stringify(rest)}`;
      rest = rest.slice(body[0].length);
    } else rest = rest.slice(Number(lengths[0] ?? 0));
  }
  return undefined;
}

const HIDDEN = "GET /hidden HTTP/1.1\r\nHost: other.berth.localhost\r\nX-Forwarded-For: 6.6.6.6\r\n\r\n";
const post = (headers: string, body: string) => `POST / HTTP/1.1\r\n${HOST}${headers}\r\n${body}`;

/** Refused, or given to the app as one reading of it; never an error of ours. */
const FRAMING: [name: string, text: string][] = [
  ["CL.TE", post(`Content-Length: ${5 + HIDDEN.length}\r\nTransfer-Encoding: chunked\r\n`, `0\r\n\r\n${HIDDEN}`)],
  ["TE.CL", post("Transfer-Encoding: chunked\r\nContent-Length: 4\r\n", `${HIDDEN.length.toString(16)}\r\n${HIDDEN}\r\n0\r\n\r\n`)],
  ...[
    "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", "Transfer-Encoding: identity, chunked\r\n", "Transfer-Encoding: chunked, identity\r\n",
    "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "Transfer-Encoding: \x0bchunked\r\n", "Transfer-Encoding : chunked\r\n", "Transfer-Encoding:\r\n chunked\r\n",
    "Transfer-Encoding: xchunked\r\n", "Transfer-Encoding: \"chunked\"\r\n", " Transfer-Encoding: chunked\r\n", "X: y\nTransfer-Encoding: chunked\r\n", "X: y\rTransfer-Encoding: chunked\r\n",
    "Transfer_Encoding: chunked\r\n", "TRANSFER-ENCODING: CHUNKED\r\n", "Transfer-Encoding: chunked;q=1\r\n",
  ].map((header): [string, string] => [JSON.stringify(header), post(`${header}Content-Length: 5\r\n`, `0\r\n\r\n${HIDDEN}`)]),
  ...["0\r\nContent-Length: 5", "5, 5", "5\r\nContent-Length: 6", "+5", "-1", "5 5", "0x5", "", "5\x00", "99999999999999999999", " 5\r\n 6"].map((value): [string, string] => [`Content-Length: ${JSON.stringify(value)}`, post(`Content-Length: ${value}\r\n`, `hello${HIDDEN}`)]),
  ...["5;a=b\r\nhello\r\n0\r\n\r\n", "5;a=\"\r\n\"\r\nhello\r\n0\r\n\r\n", "5;\nhello\r\n0\r\n\r\n", "5\nhello\n0\n\n", "5\r\nhello0\r\n\r\n", "-5\r\nhello\r\n0\r\n\r\n", "5\r\nhello\r\n0\r\nX-Trailer: a\r\n\r\n", "5\r\nhello\r\n0\r\nContent-Length: 9\r\n\r\n", "fffffffffffffffff\r\nhello", " 5\r\nhello\r\n0\r\n\r\n", "5 ;a\r\nhello\r\n0\r\n\r\n", "0\r\n\r"].map(
    (chunks): [string, string] => [`chunks ${JSON.stringify(chunks)}`, post("Transfer-Encoding: chunked\r\n", `${chunks}${HIDDEN}`)],
  ),
  ["folded header", `GET / HTTP/1.1\r\n${HOST}X-A: b\r\n c\r\n\r\n`],
  ["bare line feeds", `GET / HTTP/1.1\n${HOST.replace("\r", "")}X-A: b\n\n`],
  ["bare CR ends the head", `GET / HTTP/1.1\r\n${HOST}\r\r\n\r\n`],
  ["body of GET", `GET / HTTP/1.1\r\n${HOST}Content-Length: ${HIDDEN.length}\r\n\r\n${HIDDEN}`],
  ["HTTP/0.9", "GET /\r\n"],
  ["HTTP/1.9", `GET / HTTP/1.9\r\n${HOST}\r\n`],
  ["HTTP/2 by prior knowledge", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00"],
];

for (const [name, text] of FRAMING) {
  test(`one reading alone: ${name}`, async () => {
    const got = await send(text);
    const [mine, others] = [requestsIn(app.seen), requestsIn(other.seen)];
    // What followed as a request of its own was read as one: it went to the app that it names, and the gateway said where it is from.
    assert.ok(mine.length <= 1 && !mine.some((line) => line.includes("hidden")), `${mine}`);
    if (others.length > 0) {
      assert.deepEqual(others, ["GET /hidden HTTP/1.1"]);
      assert.match(other.seen, /\r\nx-forwarded-for: 127\.0\.0\.1\r\n/);
      assert.doesNotMatch(other.seen, /6\.6\.6\.6/);
    }
    assert.deepEqual(statuses(got).filter((status) => ![200, 400, 404, 408, 413, 421, 422, 426, 505].includes(status)), []);
  });
}

test("which app a request is for is said once", async () => {
  const refused = [`Host: raw.berth.localhost\r\nHost: other.berth.localhost\r\n`, "Host: raw.berth.localhost@other.berth.localhost\r\n", "Host: raw.berth.localhost, other.berth.localhost\r\n", "Host: raw.berth.localhost other\r\n", "Host:\r\n", "", "Host: raw.berth.localhost/\r\n", "Host: raw.berth.localhost\x00\r\n"];
  for (const host of refused) {
    const got = await send(`GET / HTTP/1.1\r\n${host}\r\n`);
    assert.equal(app.seen + other.seen, "", `${JSON.stringify(host)} ${app.seen}`);
    assert.ok([400, 404].includes(statuses(got)[0] ?? 0), `${JSON.stringify(host)} ${got.slice(0, 100)}`);
  }
  for (const target of ["http://other.berth.localhost/x", "http://raw.berth.localhost@other.berth.localhost/x"]) {
    await send(`GET ${target} HTTP/1.1\r\n${HOST}\r\n`);
    // The target counts, and the app reads the same from both; or it was refused.
    assert.equal(app.seen, "", target);
    if (other.seen !== "") assert.match(other.seen, /^GET \/x HTTP\/1\.1\r\n[^]*?^host: other\.berth\.localhost\r\n[^]*^x-forwarded-host: other\.berth\.localhost\r$/im);
  }
});

test("a path reaches the app as it was sent, or not at all", async () => {
  for (const path of ["/../../etc/passwd", "/%2e%2e/%2E%2e/x", "//other.berth.localhost/x", "/a//b/./c", "/a%00b", "/a\\..\\b", "/%0d%0aX-Injected:%201", "/;a=b?x=/../y", "/\xc3\xa9"]) {
    const got = await send(`GET ${path} HTTP/1.1\r\n${HOST}\r\n`);
    if (statuses(got)[0] === 200) assert.ok(app.seen.startsWith(`GET ${path} HTTP/1.1\r\n`), `${path} became ${app.seen.slice(0, 60)}`);
    else assert.equal(app.seen, "");
    assert.doesNotMatch(app.seen, /^X-Injected/im);
  }
  for (const line of ["GET /a b HTTP/1.1", "GET /a#b HTTP/1.1", "GET a HTTP/1.1", "G@T / HTTP/1.1", "GET  / HTTP/1.1", "GET\t/ HTTP/1.1", "GET /\x7f HTTP/1.1", "GET /a\x00 HTTP/1.1"]) {
    await send(`${line}\r\n${HOST}\r\n`);
    assert.equal(ambiguity(app.seen), undefined, line);
  }
});

test("what a client claims about its way here is removed, however it is written, and cannot be made to be dropped later", async () => {
  const claims = ["X-Forwarded-For: 6.6.6.6", "x-forwarded-for: 7.7.7.7", "X_Forwarded_For: 6.6.6.6", "X-Forwarded-Proto: https", "X-Forwarded-Host: evil", "Forwarded: for=6.6.6.6", "X-Real-IP: 6.6.6.6", "X-Request-Id: mine", "Connection: close, x-forwarded-for, x-request-id", "Keep-Alive: x"];
  await send(`GET / HTTP/1.1\r\n${HOST}${claims.map((claim) => `${claim}\r\n`).join("")}\r\n`);
  assert.equal(app.seen.match(/^x-forwarded-for:.*$/gim)?.join(), "x-forwarded-for: 127.0.0.1", app.seen);
  assert.match(app.seen, /^x-forwarded-proto: http\r$/im);
  assert.doesNotMatch(app.seen, /^x-forwarded-host/im);
  assert.doesNotMatch(app.seen, /6\.6\.6\.6|7\.7\.7\.7|evil|mine/);
  assert.doesNotMatch(app.seen, /^connection:.*x-/im);
});

test("a WebSocket that the app refuses, or answers as it likes, opens no tunnel", async () => {
  const upgrade = `GET /ws HTTP/1.1\r\n${HOST}Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n`;
  for (const first of ["HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "HTTP/1.1 426 No\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nContent-Length: 0\r\n\r\n"]) {
    app.answer = (head, socket) => void socket.write(head.startsWith("GET /ws") ? first : "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    const got = await send(`${upgrade}${HIDDEN}`);
    assert.doesNotMatch(app.seen, /hidden/, first);
    if (other.seen !== "") assert.match(other.seen, /^x-forwarded-for: 127\.0\.0\.1\r$/im);
    assert.equal(statuses(got)[0], statuses(first)[0]);
  }
  app.answer = (_head, socket) => void socket.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
});

test("what an app sends beside its answer reaches nobody else", async () => {
  const evil = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil";
  for (const first of [`HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok${evil}`, `HTTP/1.1 304 Not Modified\r\nContent-Length: 4\r\n\r\n${evil}`, `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n2\r\nok\r\n0\r\n\r\n${evil}`, `HTTP/1.1 204 None\r\n\r\n${evil}${evil}`]) {
    app.answer = (head, socket) => void socket.write(head.startsWith("GET /first") ? first : "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nmine");
    await send(`GET /first HTTP/1.1\r\n${HOST}\r\n`, 100);
    for (let tries = 0; tries < 3; tries++) {
      const got = await send(`GET /second HTTP/1.1\r\n${HOST}Connection: close\r\n\r\n`, 100);
      assert.match(got, /\r\n\r\nmine$/, first);
    }
  }
  for (const bad of ["HTTP/1.1 200 OK\r\nX-A: b\rSet-Cookie: c\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nok", `HTTP/1.1 200 OK\r\nX-A: ${"y".repeat(40_000)}\r\n\r\n`, "nonsense\r\n\r\n"]) {
    app.answer = (_head, socket) => void socket.end(bad);
    const got = await send(`GET / HTTP/1.1\r\n${HOST}\r\n`);
    assert.ok([502, 503].includes(statuses(got)[0] ?? 0), `${bad.slice(0, 60)}: ${got.slice(0, 80)}`);
    assert.equal(statuses(await send("GET / HTTP/1.1\r\nHost: other.berth.localhost\r\nConnection: close\r\n\r\n"))[0], 200);
  }
  app.answer = (_head, socket) => void socket.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
});

test("2,000 clients that never finish their request hold up nobody, and are cut off", async () => {
  const slow: Socket[] = [];
  let ended = 0;
  for (let at = 0; at < 2000; at++) {
    const socket = connect(gateway.port, "127.0.0.1");
    socket.on("error", () => {});
    socket.on("close", () => ended++);
    socket.resume();
    socket.write(`GET / HTTP/1.1\r\n${HOST}X-A: `);
    slow.push(socket);
    if (at % 200 === 199) await sleep(10);
  }
  const beganAt = Date.now();
  // Each goes on with a byte at a time: that buys no time.
  const dripping = setInterval(() => slow.forEach((socket) => socket.writable && socket.write("a")), 2000);
  try {
    const times: number[] = [];
    for (let at = 0; at < 100; at++) {
      const startedAt = performance.now();
      assert.equal((await gateway.get("other", { timeoutMs: 2000 })).status, 200);
      times.push(performance.now() - startedAt);
    }
    const p99 = times.toSorted((a, b) => a - b)[98] ?? Infinity;
    assert.ok(p99 < 1000, `p99 ${p99} ms`);
    for (const deadline = Date.now() + 20_000; ended < 2000 && Date.now() < deadline; ) await sleep(50);
    assert.equal(ended, 2000);
    assert.ok(Date.now() - beganAt > 5000, "they had their time");
  } finally {
    clearInterval(dripping);
    for (const socket of slow) socket.destroy();
  }
});
