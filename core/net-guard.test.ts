import assert from "node:assert/strict";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, describe, test } from "node:test";
import { gzipSync } from "node:zlib";
import { z } from "zod";
import { FetchRefused, isReachable, NetGuardEnv, openNetGuard, type NetGuardOptions } from "./net-guard.ts";

const ranges = (text: string) => z.object(NetGuardEnv).parse({ BERTH_FETCH_ALLOW_CIDRS: text }).BERTH_FETCH_ALLOW_CIDRS;

describe("which addresses are of the internet", () => {
  const INSIDE = [
    "0.0.0.0", "10.0.0.1", "100.64.0.1", "100.100.100.200", "127.0.0.1", "127.255.255.254", "169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.8",
    "192.0.2.1", "192.168.1.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "224.0.0.1", "240.0.0.1", "255.255.255.255",
    "::", "::1", "::7f00:1", "::ffff:127.0.0.1", "::ffff:7f00:1", "::ffff:10.0.0.1", "::ffff:0:127.0.0.1", "64:ff9b::7f00:1", "64:ff9b:1::7f00:1", "100::1",
    "2002:7f00:1::", "2001::1", "2001:db8::1", "fc00::1", "fd00:ec2::254", "fe80::1", "fe80::1%eth0", "fec0::1", "ff02::1",
    "", "localhost", "127.1", "0x7f.0.0.1", "2130706433",
  ];
  for (const address of INSIDE) test(`${address} is not`, () => assert.equal(isReachable(address), false));
  for (const address of ["1.1.1.1", "8.8.8.8", "99.255.255.255", "172.32.0.1", "2606:4700:4700::1111", "::ffff:8.8.8.8", "2a00:1450::1"]) {
    test(`${address} is`, () => assert.equal(isReachable(address), true));
  }

  test("an operator's range opens what is in it, and nothing beside it", () => {
    const allow = ranges("10.1.0.0/16, 192.168.7.7, fd00:1::/32");
    for (const address of ["10.1.2.3", "192.168.7.7", "::ffff:10.1.2.3", "fd00:1:2::3"]) assert.equal(isReachable(address, allow), true, address);
    for (const address of ["10.2.0.1", "192.168.7.8", "127.0.0.1", "fd00:2::1"]) assert.equal(isReachable(address, allow), false, address);
    assert.throws(() => ranges("10.1.0.0/33"), /no range of addresses/);
    assert.throws(() => ranges("intern"), /no range of addresses/);
  });
});

describe("fetching", () => {
  let server: Server;
  let port = 0;
  let seen: IncomingMessage[] = [];
  let answer: (request: IncomingMessage, response: ServerResponse) => void = (_request, response) => response.end("hello");
  before(async () => {
    server = createServer((request, response) => {
      seen.push(request);
      answer(request, response);
    });
    await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
    port = (server.address() as AddressInfo).port;
  });
  after(() => {
    server.closeAllConnections();
    server.close();
  });

  /** What comes of one fetch, with names of the test's own. */
  async function tryFetch(url: string, options: NetGuardOptions & { names?: Record<string, string[][]>; init?: RequestInit } = {}) {
    seen = [];
    const asked: string[] = [];
    const { names = {}, init, ...rest } = options;
    const resolve = async (name: string) => {
      asked.push(name);
      const answers = names[name] ?? [];
      const addresses = answers.length > 1 ? answers.shift() : answers[0];
      if (addresses === undefined) throw Object.assign(new Error(`getaddrinfo ENOTFOUND ${name}`), { code: "ENOTFOUND" });
      return addresses.map((address) => ({ address, family: address.includes(":") ? 6 : 4 }));
    };
    const guard = openNetGuard({ resolve, timeoutMs: 5000, ...rest });
    try {
      const response = await guard.fetch(url, init);
      return { status: response.status, text: await response.text(), headers: response.headers, asked, reached: seen.length };
    } catch (error) {
      assert.ok(error instanceof FetchRefused, String(error));
      return { refused: error.message, asked, reached: seen.length };
    } finally {
      await guard.close();
    }
  }
  const LOOPBACK = ranges("127.0.0.1/32");

  test("no notation of an inner address leads inside", async () => {
    const hosts = ["127.0.0.1", "2130706433", "0x7f000001", "017700000001", "127.1", "0177.0.0.1", "127.0.0.1.", "[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[64:ff9b::7f00:1]", "①②⑦.0.0.1"];
    for (const host of hosts) {
      const { refused, reached } = await tryFetch(`http://${host}:${port}/`);
      assert.match(refused ?? "", /cannot be reached from here$/, host);
      assert.equal(reached, 0, host);
    }
  });

  test("a name that leads inside is told as one that does not exist, or whose port is closed", async () => {
    const inside = await tryFetch(`http://a.test:${port}/`, { names: { "a.test": [["127.0.0.1"]] } });
    const missing = await tryFetch(`http://a.test:${port}/`);
    const closed = await tryFetch("http://a.test:1/", { names: { "a.test": [["127.0.0.1"]] }, allow: LOOPBACK });
    assert.deepEqual([inside.refused, missing.refused, closed.refused], Array.from({ length: 3 }, () => "a.test cannot be reached from here"));
    assert.equal(inside.reached, 0);
  });

  test("of several addresses only those that are allowed are used", async () => {
    const mixed = await tryFetch(`http://a.test:${port}/`, { names: { "a.test": [["169.254.169.254", "127.0.0.1", "::1"]] }, allow: LOOPBACK });
    assert.equal(mixed.text, "hello");
  });

  test("a name is asked once for a connection: an answer that changes after the check is never used", async () => {
    const names = { "rebind.test": [["127.0.0.1"], ["10.0.0.1"]] };
    const good = await tryFetch(`http://rebind.test:${port}/`, { names, allow: LOOPBACK });
    assert.deepEqual([good.text, good.asked.length], ["hello", 1]);
    const turned = await tryFetch(`http://rebind.test:${port}/`, { names: { "rebind.test": [["10.0.0.1"], ["127.0.0.1"]] }, allow: LOOPBACK });
    assert.deepEqual([turned.reached, turned.asked.length], [0, 1]);
  });

  test("redirects are checked as the first address is, and counted", async () => {
    const to = (location: string, status = 302) => (_request: IncomingMessage, response: ServerResponse) => void response.writeHead(status, { location }).end();
    const names = { "a.test": [["127.0.0.1"]], "inside.test": [["127.0.0.2"]] };
    for (const location of [`http://127.0.0.2:${port}/`, `http://inside.test:${port}/`, `//[::ffff:127.0.0.2]:${port}/`, "http://169.254.169.254/latest/meta-data/"]) {
      answer = to(location);
      const { refused, reached } = await tryFetch(`http://a.test:${port}/`, { names, allow: LOOPBACK });
      assert.match(refused ?? "", /cannot be reached/, location);
      assert.equal(reached, 1, location);
    }
    for (const [location, why] of [["file:///etc/passwd", /only http/], ["http://u:p@a.test/", /user name/], ["gopher://a.test/", /only http/]] as const) {
      answer = to(location);
      assert.match((await tryFetch(`http://a.test:${port}/`, { names, allow: LOOPBACK })).refused ?? "", why);
    }
    answer = to("/again");
    const round = await tryFetch(`http://a.test:${port}/`, { names, allow: LOOPBACK });
    assert.match(round.refused ?? "", /redirects more than 3 times/);
    assert.equal(round.reached, 4);
    const manual = await tryFetch(`http://a.test:${port}/`, { names, allow: LOOPBACK, init: { redirect: "manual" } });
    assert.deepEqual([manual.status, manual.reached], [302, 1]);
    const post = await tryFetch(`http://a.test:${port}/`, { names, allow: LOOPBACK, init: { method: "POST", body: "x" } });
    assert.match(post.refused ?? "", /not followed/);
  });

  test("credentials do not go along to another origin", async () => {
    answer = (request, response) => void (request.url === "/" ? response.writeHead(302, { location: `http://b.test:${port}/x` }).end() : response.end("done"));
    const names = { "a.test": [["127.0.0.1"]], "b.test": [["127.0.0.1"]] };
    const done = await tryFetch(`http://a.test:${port}/`, { names, allow: LOOPBACK, init: { headers: { authorization: "Bearer x", "x-other": "y" } } });
    assert.equal(done.text, "done");
    assert.deepEqual(seen.map(({ headers }) => [headers["authorization"], headers["x-other"]]), [["Bearer x", "y"], [undefined, "y"]]);
  });

  test("an answer that is large, unpacks to much, never ends or has endless headers is cut off", async () => {
    const names = { "a.test": [["127.0.0.1"]] };
    const fetchOf = (options: NetGuardOptions = {}) => tryFetch(`http://a.test:${port}/`, { names, allow: LOOPBACK, maxBytes: 100_000, ...options });
    const bomb = gzipSync(Buffer.alloc(50 << 20));
    answer = (_request, response) => void response.end("x".repeat(100_001));
    assert.match((await fetchOf()).refused ?? "", /more than 100000 bytes/);
    answer = (_request, response) => void response.writeHead(200, { "content-encoding": "gzip" }).end(bomb);
    assert.match((await fetchOf()).refused ?? "", /more than 100000 bytes/);
    answer = (_request, response) => void response.writeHead(200).write("x");
    assert.match((await fetchOf({ timeoutMs: 300 })).refused ?? "", /did not answer within 300 ms/);
    answer = () => {};
    assert.match((await fetchOf({ timeoutMs: 300 })).refused ?? "", /did not answer within 300 ms/);
    answer = (_request, response) => void response.writeHead(200, { "x-long": "x".repeat(60_000) }).end();
    assert.match((await fetchOf()).refused ?? "", /cannot be reached/);
    answer = (_request, response) => void response.writeHead(200, { "content-encoding": "gzip", "content-type": "text/plain" }).end(gzipSync("small"));
    const small = await fetchOf();
    assert.deepEqual([small.text, small.headers?.get("content-encoding"), small.headers?.get("content-type")], ["small", null, "text/plain"]);
  });

  test("what is no http URL is refused, and an abort of the caller's own stays one", async () => {
    for (const url of ["", "nonsense", "file:///etc/passwd", "ftp://a.test/", "http://user@a.test/", "data:text/plain,x"]) assert.ok((await tryFetch(url)).refused, url);
    const guard = openNetGuard({ resolve: async () => [{ address: "127.0.0.1", family: 4 }], allow: LOOPBACK });
    answer = () => {};
    await assert.rejects(guard.fetch(`http://a.test:${port}/`, { signal: AbortSignal.timeout(50) }), { name: "TimeoutError" });
    await guard.close();
  });
});
