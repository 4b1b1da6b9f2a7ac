/** The five instructions of every Docker introduction, as they stand: with an index, a URL and an authority of the test's own. */
import assert from "node:assert/strict";
import { createHash, randomInt } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { crc32 } from "node:zlib";
import { eq } from "drizzle-orm";
import { releases } from "../../core/db/schema.ts";
import { run, runUnchecked } from "../../core/host/spawn.ts";
import { startBuildWorld, type BuildWorld } from "../support/build-world.ts";

const WEB = "import tornado\nprint('made of', tornado.version)\n";
const WHEEL = "tornado-6.9.9-py3-none-any.whl";

let world: BuildWorld;
let device = "";
const servers: Server[] = [];
before(async () => {
  world = await startBuildWorld();
  // An address that is on no network: what an operator's private index would have.
  const address = `10.${randomInt(100, 150)}.${randomInt(256)}.1`;
  device = `${world.netPrefix}idx`;
  await run(["ip", "link", "add", device, "type", "bridge"]);
  await run(["ip", "addr", "add", `${address}/32`, "dev", device]);
  await run(["ip", "link", "set", device, "up"]);
  const index = await listen(createServer(serveIndex), address, 0);
  const { caFile, key, cert } = await makeAuthority(world.dir, "files.test");
  await listen(createTlsServer({ key, cert }, (_request, response) => response.end(WEB)), address, 443);
  const pipConf = join(world.dir, "pip.conf");
  writeFileSync(pipConf, `[global]\nindex-url = http://pypi.test:${index}/simple\ntrusted-host = pypi.test\n`);
  await world.startWorker({
    BERTH_BUILD_ALLOW_CIDRS: `${address}/32`,
    BERTH_BUILD_HOSTS: `pypi.test=${address},files.test=${address}`,
    BERTH_BUILD_FILES: `/etc/pip.conf=${pipConf}`,
    BERTH_BUILD_CA_FILE: caFile,
  });
});
after(async () => {
  await world?.stop();
  for (const server of servers) server.close();
  if (device !== "") await runUnchecked(["ip", "link", "delete", device]);
});

async function listen(server: Server, address: string, port: number): Promise<number> {
  servers.push(server);
  server.listen(port, address);
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
}

test("FROM python, RUN pip install, ADD https://…, CMD, EXPOSE", async () => {
  const dockerfile = `FROM python:3
RUN pip install tornado --no-cache-dir
ADD https://files.test/web.py .
CMD ["python","web.py"]
EXPOSE 8888
`;
  const { build } = await world.deploy("intro", [["Dockerfile", dockerfile]]);
  const output = (await world.log(build)).map((entry) => entry.text).join("\n");
  assert.equal(build.state, "succeeded", `${JSON.stringify(build.failure)}\n${output}`);
  assert.match(output, /Successfully installed tornado-6\.9\.9/);
  const [release] = await world.api.db.select().from(releases).where(eq(releases.buildId, build.id));
  assert.deepEqual(release?.image.cmd, ["python", "web.py"]);
  assert.deepEqual(release?.image.exposedPorts, [8888]);
  const child = await world.deploy("intro-run", [["Dockerfile", `FROM ${world.tenant.name}/intro:${build.id.replace("_", "-")}\nRUN python web.py; cat /etc/pip.conf\n`]]);
  const said = (await world.log(child.build)).map((entry) => entry.text).join("\n");
  assert.ok(said.includes("made of 6.9.9"), said);
});

test("an authority that nobody trusts is refused, with the line", async () => {
  const { build } = await world.deploy("distrust", [["Dockerfile", "FROM busybox\nADD https://pypi.test:443/web.py .\n"]]);
  assert.equal(build.failure?.code, "build_failed");
  assert.equal(build.failure?.line, 2);
  assert.match(build.failure?.detail ?? "", /certificate|x509/);
});

function serveIndex(request: { url?: string | undefined }, response: { setHeader(name: string, value: string): unknown; end(body: string | Buffer): unknown }): void {
  const wheel = makeWheel();
  if (request.url?.endsWith(".whl")) return void response.end(wheel);
  response.setHeader("content-type", "text/html");
  response.end(`<a href="/files/${WHEEL}#sha256=${createHash("sha256").update(wheel).digest("hex")}">${WHEEL}</a>`);
}

/** A package of one module, as pip takes it. */
function makeWheel(): Buffer {
  const info = "tornado-6.9.9.dist-info";
  const files: [string, string][] = [
    ["tornado.py", 'version = "6.9.9"\n'],
    [`${info}/METADATA`, "Metadata-Version: 2.1\nName: tornado\nVersion: 6.9.9\n"],
    [`${info}/WHEEL`, "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"],
  ];
  files.push([`${info}/RECORD`, [...files.map(([name]) => `${name},,`), `${info}/RECORD,,`, ""].join("\n")]);
  return zip(files);
}

/** A zip archive without compression. */
function zip(files: readonly [name: string, text: string][]): Buffer {
  const bodies: Buffer[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  for (const [name, text] of files) {
    const data = Buffer.from(text);
    const common = Buffer.alloc(26);
    common.writeUInt16LE(20, 0);
    common.writeUInt16LE(33, 8);
    common.writeUInt32LE(crc32(data), 10);
    common.writeUInt32LE(data.length, 14);
    common.writeUInt32LE(data.length, 18);
    common.writeUInt16LE(name.length, 22);
    const body = Buffer.concat([Buffer.from("PK\x03\x04"), common, Buffer.from(name), data]);
    const tail = Buffer.alloc(14);
    tail.writeUInt32LE(offset, 10);
    directory.push(Buffer.concat([Buffer.from("PK\x01\x02\x14\x00"), common, tail, Buffer.from(name)]));
    bodies.push(body);
    offset += body.length;
  }
  const listed = Buffer.concat(directory);
  const end = Buffer.alloc(22);
  end.write("PK\x05\x06", 0, "latin1");
  end.writeUInt16LE(files.length, 8);
  end.writeUInt16LE(files.length, 10);
  end.writeUInt32LE(listed.length, 12);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...bodies, listed, end]);
}

async function makeAuthority(dir: string, name: string): Promise<{ caFile: string; key: Buffer; cert: Buffer }> {
  const path = (file: string) => join(dir, file);
  const openssl = (...args: string[]) => run(["openssl", ...args]);
  await openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=test authority", "-keyout", path("ca.key"), "-out", path("ca.crt"));
  await openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", `/CN=${name}`, "-keyout", path("site.key"), "-out", path("site.csr"));
  writeFileSync(path("site.ext"), `subjectAltName=DNS:${name}\n`);
  await openssl("x509", "-req", "-in", path("site.csr"), "-CA", path("ca.crt"), "-CAkey", path("ca.key"), "-CAcreateserial", "-days", "2", "-extfile", path("site.ext"), "-out", path("site.crt"));
  return { caFile: path("ca.crt"), key: readFileSync(path("site.key")), cert: readFileSync(path("site.crt")) };
}
