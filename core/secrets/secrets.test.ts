import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { AppError } from "../contract/errors.ts";
import { newId } from "../contract/ids.ts";
import { openKeyCommand } from "./key-command.ts";
import { keysOf, makeKeyFile, openKeyFile } from "./key-file.ts";
import { openSecrets, secretsOf, type Secrets } from "./secrets.ts";
import type { SecretBinding } from "./envelope.ts";

const dir = mkdtempSync(join(tmpdir(), "berth-keys-"));
after(() => rmSync(dir, { recursive: true, force: true }));

const key = (id: string) => ({ id, key: randomBytes(32).toString("base64") });
const binding = (more: Partial<SecretBinding> = {}): SecretBinding => ({ tenantId: newId("tenant"), secretId: newId("secret"), name: "PASSWORD", version: 1, ...more });
const isBroken = (error: unknown) => error instanceof AppError && error.code === "secrets_unavailable" && error.message.includes("PASSWORD");

/** A stand-in for a KMS: XOR with a key of its own, which it keeps beside itself. No cipher; the contract is what is tested. */
const KMS = `
let text = "";
process.stdin.on("data", (chunk) => (text += chunk)).on("end", () => {
  const { op, plaintext, ciphertext, keyId, context } = JSON.parse(text);
  const mix = (b64) => Buffer.from(Buffer.from(b64, "base64").map((byte, at) => byte ^ (7 * at + 11))).toString("base64");
  const say = (value) => console.log(JSON.stringify(value));
  if (process.argv[2] === "broken") return void console.log("oh");
  if (op === "current") say({ keyId: "kms-1" });
  else if (op === "wrap") say({ keyId: "kms-1", ciphertext: Buffer.from(JSON.stringify({ data: mix(plaintext), context })).toString("base64") });
  else {
    const { data, context: sealed } = JSON.parse(Buffer.from(ciphertext, "base64").toString());
    if (keyId !== "kms-1" || JSON.stringify(sealed) !== JSON.stringify(context)) process.exit(3);
    say({ plaintext: mix(data) });
  }
});`;
const program = join(dir, "kms.mjs");
writeFileSync(program, KMS);

const BOXES: [string, () => Secrets][] = [
  ["a key file", () => secretsOf(keysOf({ keys: [key("k1")] }))],
  ["a program", () => secretsOf(openKeyCommand([process.execPath, program]))],
];

for (const [kind, make] of BOXES) {
  test(`${kind}: what was sealed opens as what it was`, async () => {
    const box = make();
    for (const value of [Buffer.from("hunter2"), Buffer.alloc(0), randomBytes(65_536)]) {
      const to = binding();
      const sealed = await box.seal(value, to);
      assert.deepEqual(await box.open(sealed, to), value);
      assert.ok(value.length === 0 || !sealed.sealed.includes(value), "the value is not in it");
      assert.equal(sealed.keyId, await box.currentKey());
    }
  });

  test(`${kind}: the same value sealed twice is not the same`, async () => {
    const box = make();
    const to = binding();
    const [a, b] = [await box.seal(Buffer.from("x"), to), await box.seal(Buffer.from("x"), to)];
    assert.notDeepEqual(a.sealed, b.sealed);
  });

  test(`${kind}: a ciphertext in another row does not open`, async () => {
    const box = make();
    const to = binding();
    const sealed = await box.seal(Buffer.from("hunter2"), to);
    const others: Partial<SecretBinding>[] = [{ tenantId: newId("tenant") }, { secretId: newId("secret") }, { name: "PASSWORD2" }, { version: 2 }];
    for (const other of others) await assert.rejects(box.open(sealed, { ...to, ...other }), AppError, JSON.stringify(other));
  });
}

test("a bit that was changed anywhere is found", async () => {
  const box = secretsOf(keysOf({ keys: [key("k1")] }));
  const to = binding();
  const { sealed, keyId } = await box.seal(Buffer.from("hunter2"), to);
  for (let at = 0; at < sealed.length; at++) {
    const changed = Buffer.from(sealed);
    changed[at] = (changed[at] ?? 0) ^ 1;
    await assert.rejects(box.open({ sealed: changed, keyId }, to), isBroken, `byte ${at}`);
  }
  for (const length of [0, 1, 3, 20, sealed.length - 1]) await assert.rejects(box.open({ sealed: sealed.subarray(0, length), keyId }, to), isBroken, `${length} bytes`);
});

test("the first key seals, every key opens, a missing one is named", async () => {
  const [older, newer] = [key("2025"), key("2026")];
  const to = binding();
  const before = secretsOf(keysOf({ keys: [older] }));
  const both = secretsOf(keysOf({ keys: [newer, older] }));
  const sealed = await before.seal(Buffer.from("x"), to);
  assert.equal((await both.open(sealed, to)).toString(), "x");
  assert.equal((await both.seal(Buffer.from("x"), to)).keyId, "2026");
  await assert.rejects(secretsOf(keysOf({ keys: [newer] })).open(sealed, to), /no master key «2025»/);
  await assert.rejects(both.open({ ...sealed, keyId: "2026" }, to), isBroken, "a row that names another key");
});

test("a key file is made once, 0600, and refused when others can read it", () => {
  const path = join(dir, "keys.json");
  assert.equal(makeKeyFile(path, "k1"), true);
  const text = readFileSync(path, "utf8");
  assert.equal(statSync(path).mode & 0o777, 0o600);
  assert.equal(makeKeyFile(path, "k2"), false);
  assert.equal(readFileSync(path, "utf8"), text);
  openKeyFile(path);
  chmodSync(path, 0o640);
  assert.throws(() => openKeyFile(path), /chmod 600/);
});

test("what is wrong with a key file is said without its keys", () => {
  const secret = randomBytes(32).toString("base64");
  const path = join(dir, "wrong.json");
  const cases: [string, RegExp][] = [
    [`{"keys": [{"id": "a", "key": "${secret}"`, /is no JSON$/],
    [`{"keys": []}`, /keys/],
    [`{"keys": [{"id": "a", "key": "${secret.slice(4)}"}]}`, /32 bytes/],
    [`{"keys": [{"id": "a b", "key": "${secret}"}]}`, /letters/],
    [`{"keys": [{"id": "a", "key": "${secret}"}, {"id": "a", "key": "${secret}"}]}`, /twice/],
  ];
  for (const [text, expected] of cases) {
    writeFileSync(path, text, { mode: 0o600 });
    assert.throws(() => openKeyFile(path), (error: Error) => expected.test(error.message) && !error.message.includes(secret.slice(4, 20)));
  }
});

test("a program that fails, answers nonsense or is not there is an outage", async () => {
  const to = binding();
  const gone = (error: unknown) => error instanceof AppError && error.code === "secrets_unavailable" && error.status === 503;
  for (const argv of [[process.execPath, program, "broken"], ["/bin/false"], ["/nowhere/kms"]]) {
    await assert.rejects(secretsOf(openKeyCommand(argv)).seal(Buffer.from("x"), to), gone, argv.join(" "));
  }
  await assert.rejects(secretsOf(openKeyCommand(["/bin/sleep", "60"], { timeoutMs: 50 })).seal(Buffer.from("x"), to), gone);
  await assert.rejects(openSecrets({}).seal(Buffer.from("x"), to), gone);
});
