/** A secret's whole way on a whole Berth: set, shown by the app, changed, rolled back, its key replaced; and nowhere to be found. */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { run, runUnchecked } from "../../core/host/spawn.ts";
import { storeEnv } from "../../infra/parts.ts";
import { DROP_STEPS, ROTATE_STEPS } from "../../infra/rotate-secrets.ts";
import { startStack, until, type Stack } from "../support/stack.ts";

let stack: Stack;
const dir = mkdtempSync(join(tmpdir(), "berth-secrets-"));
before(async () => {
  // All of the build disk is searched at the end.
  stack = await startStack({ settings: { BERTH_BUILD_DISK_BYTES: String(2 ** 31) } });
});
after(async () => {
  await stack?.stop();
  rmSync(dir, { recursive: true, force: true });
});

// The app answers with what it got, and writes it nowhere.
const SHOW = `#!/bin/sh
printf 'Content-Type: text/plain\\r\\n\\r\\n%s %s %s' "$PASSWORD" "$(cat /run/secrets/key.pem)" "$SHARED"
`;
const DOCKERFILE = `FROM busybox
COPY --chmod=755 show /www/cgi-bin/show
USER 1000:1000
CMD ["httpd", "-f", "-p", "8080", "-h", "/www"]
`;

async function call(method: string, path: string, body?: unknown) {
  const response = await fetch(`${stack.apiUrl}${path}`, {
    method,
    headers: { authorization: `Bearer ${stack.token}`, ...(body === undefined ? {} : { "content-type": "application/json" }) },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  assert.ok(response.ok, `${method} ${path}: ${text}`);
  return JSON.parse(text) as Record<string, any>;
}
const shows = (expected: string) =>
  until(async () => {
    const { status, body } = await stack.get("vault", "/cgi-bin/show");
    return status === 200 && body === expected;
  }, 60_000).catch(async (error: unknown) => {
    throw new Error(`wanted «${expected}», got ${JSON.stringify(await stack.get("vault", "/cgi-bin/show"))}\n${stack.logs(15)}`, { cause: error });
  });
const keyIds = async () => (await run(["psql", "-tAc", "select distinct key_id from secret_versions", storeEnv(stack.config)["BERTH_DATABASE_URL"] ?? ""])).stdout.trim().split("\n");

test("a secret's whole way", async () => {
  const [one, two, file, shared] = ["hunter-71ad9c", "hunter-e04b2f", "PEM-5520aa", "shared-9c3e71"];
  writeFileSync(join(dir, "Dockerfile"), DOCKERFILE);
  writeFileSync(join(dir, "show"), SHOW);
  await call("POST", "/v1/apps", { name: "vault" });
  // All of its disks is read later.
  await call("PATCH", "/v1/apps/vault", { settings: { diskBytes: 16 * 2 ** 20 } });
  await call("PUT", "/v1/apps/vault/secrets/PASSWORD", { kind: "env", value: one });
  await call("PUT", "/v1/apps/vault/secrets/key.pem", { kind: "file", value: file });
  await call("PUT", "/v1/secrets/SHARED", { kind: "env", value: shared });
  await call("PUT", "/v1/secrets/PASSWORD", { kind: "env", value: "hidden by the app's own" });
  await stack.cli(["deploy", "--app", "vault", dir]);
  await shows(`${one} ${file} ${shared}`);

  const changed = await call("PUT", "/v1/apps/vault/secrets/PASSWORD", { kind: "env", value: two });
  assert.equal(changed["deployments"].length, 1);
  await shows(`${two} ${file} ${shared}`);
  await call("POST", "/v1/apps/vault/rollback", {});
  await shows(`${one} ${file} ${shared}`);

  const keyFile = "file" in stack.config.secretKeys ? stack.config.secretKeys.file : "";
  const [old] = await keyIds();
  for (const step of ROTATE_STEPS) await step.run({ config: stack.config, keyId: "second" }, () => {});
  assert.deepEqual(await keyIds(), ["second"]);
  assert.notEqual(old, "second");
  assert.equal(statSync(keyFile).mode & 0o777, 0o600);
  for (const step of DROP_STEPS) await step.run({ config: stack.config, keyId: "unused" }, () => {});
  assert.deepEqual((JSON.parse(readFileSync(keyFile, "utf8")) as { keys: { id: string }[] }).keys.map(({ id }) => id), ["second"]);
  await shows(`${one} ${file} ${shared}`);
  // Values that the old key once sealed reach a new instance; new ones are sealed.
  await call("PUT", "/v1/apps/vault/secrets/key.pem", { kind: "file", value: `${file}-new` });
  await shows(`${one} ${file}-new ${shared}`);

  const needles = [one, two, file, shared].flatMap((value) => [value, Buffer.from(value).toString("base64").replace(/=*$/, "").slice(0, -1)]);
  const { stdout: dump } = await run(["pg_dump", "--inserts", storeEnv(stack.config)["BERTH_DATABASE_URL"] ?? ""]);
  assert.ok(dump.includes("key.pem"));
  assert.deepEqual(needles.filter((needle) => dump.includes(needle)), [], "the database");
  // Stores, logs, worker, gateway and node, as their disks have them: what the agent keeps in memory is mounted elsewhere.
  const grep = await runUnchecked(["grep", "-rlaF", ...needles.flatMap((needle) => ["-e", needle]), stack.config.dataDir], { timeoutMs: 120_000 });
  assert.equal(grep.stdout, "");
});
