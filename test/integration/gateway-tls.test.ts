/** TLS at the gateway, with certificates that an operator gives. */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect as connectHttp2 } from "node:http2";
import { request } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { connect, type TLSSocket } from "node:tls";
import { run } from "../../core/host/spawn.ts";
import { freePort, TestGateway, until } from "../support/gateway.ts";

const dir = mkdtempSync(join(tmpdir(), "berth-tls-"));
let gateway: TestGateway;
let port: number;

/** One that signs itself; key and certificate in one file. */
async function certificate(file: string, host: string): Promise<void> {
  const [key, cert] = [join(dir, `${file}.tmpkey`), join(dir, `${file}.tmpcert`)];
  await run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", `/CN=${host}`, "-addext", `subjectAltName=DNS:${host}`, "-keyout", key, "-out", cert], { timeoutMs: 20_000 });
  const text = readFileSync(cert, "utf8") + readFileSync(key, "utf8");
  rmSync(key);
  rmSync(cert);
  writeFileSync(join(dir, "certs", file), text);
}

before(async () => {
  await run(["mkdir", join(dir, "certs")]);
  await certificate("apps.pem", "*.berth.localhost");
  port = await freePort();
  gateway = await TestGateway.start({ BERTH_GATEWAY_STOP_MS: "300", BERTH_GATEWAY_TLS_LISTEN: `127.0.0.1:${port}`, BERTH_GATEWAY_TLS_CERTIFICATES: join(dir, "certs"), BERTH_GATEWAY_TLS_FORCE: "1" });
});
after(async () => {
  await gateway?.stop();
  rmSync(dir, { recursive: true });
});

/** Whose certificate is shown for the name, and its serial number. */
function shown(servername: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket: TLSSocket = connect({ host: "127.0.0.1", port, servername, rejectUnauthorized: false }, () => {
      const { subject, serialNumber } = socket.getPeerCertificate();
      socket.destroy();
      resolve(`${subject.CN} ${serialNumber}`);
    });
    socket.on("error", reject);
  });
}

function get(host: string): Promise<{ status: number; headers: Record<string, unknown>; body: string }> {
  return new Promise((resolve, reject) => {
    request({ host: "127.0.0.1", port, servername: host, headers: { host }, rejectUnauthorized: false, agent: false }, (response) => {
      let body = "";
      response.setEncoding("utf8").on("data", (text: string) => (body += text));
      response.on("end", () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body }));
    }).on("error", reject).end();
  });
}

test("an app answers over TLS, by HTTP/2 too, and is told so; without TLS its clients are sent there", async () => {
  const app = await gateway.app((incoming, response) => response.end(JSON.stringify(incoming.headers)));
  await gateway.route("secure", [app], { http: { sticky: true } });
  const { status, headers, body } = await get("secure.berth.localhost");
  assert.deepEqual([status, (JSON.parse(body) as Record<string, string>)["x-forwarded-proto"]], [200, "https"]);
  assert.match(String(headers["set-cookie"]), /; Secure$/);
  const session = connectHttp2(`https://127.0.0.1:${port}`, { servername: "secure.berth.localhost", rejectUnauthorized: false });
  const stream = session.request({ ":authority": "secure.berth.localhost" });
  const answered = await new Promise<unknown>((resolve) => stream.on("response", (got) => resolve(got[":status"])));
  assert.deepEqual([answered, session.alpnProtocol], [200, "h2"]);
  session.destroy();
  const sent = await gateway.get("secure", { path: "/x?y=1" });
  assert.deepEqual([sent.status, sent.headers.location], [308, "https://secure.berth.localhost/x?y=1"]);
});

test("certificates come and are renewed without a reload; one that is broken changes nothing", async () => {
  const before = await shown("app.berth.localhost");
  assert.match(before, /^\*\.berth\.localhost /);
  await certificate("shop.pem", "shop.example.com");
  await until(async () => (await shown("shop.example.com")).startsWith("shop.example.com "), 20_000);
  await certificate("apps.pem", "*.berth.localhost");
  await until(async () => (await shown("app.berth.localhost")) !== before, 20_000);
  const renewed = await shown("app.berth.localhost");
  assert.match(renewed, /^\*\.berth\.localhost /);
  writeFileSync(join(dir, "certs", "apps.pem"), "nonsense\n");
  await until(() => gateway.log.includes("haproxy does not take a certificate"), 20_000);
  assert.equal(await shown("app.berth.localhost"), renewed);
  assert.equal(gateway.log.match(/haproxy reloaded/g), null);
  // For the next start, which would not take it either.
  await certificate("apps.pem", "*.berth.localhost");
});
