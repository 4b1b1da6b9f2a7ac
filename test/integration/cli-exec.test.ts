/** `berth exec`, `cp` and `port-forward` on a whole Berth: a real terminal, real bytes, a token that is revoked. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readlinkSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { stripVTControlCharacters } from "node:util";
import pg from "pg";
import { postgresUrl } from "../../infra/local/postgres.ts";
import { tarOf } from "../support/contexts.ts";
import { BERTH } from "../support/cli-run.ts";
import { passedToCli } from "../support/env.ts";
import { startStack, type Stack } from "../support/stack.ts";

let stack: Stack;
let dir: string;
let env: NodeJS.ProcessEnv;
const DOCKERFILE = `FROM busybox
RUN mkdir -p /www /data/sub && echo hello >/www/index.html && echo one >/data/one && ln -s /etc /data/link && echo deep >/data/sub/deep
CMD httpd -p 127.0.0.1:9999 -h /www; exec httpd -f -p 8080 -h /www
`;

before(async () => {
  stack = await startStack();
  dir = mkdtempSync(join(tmpdir(), "berth-exec-"));
  env = { ...passedToCli(), HOME: dir, TERM: "xterm", BERTH_API: stack.apiUrl, BERTH_TOKEN: stack.token };
  const project = join(dir, "hello");
  mkdirSync(project);
  writeFileSync(join(project, "Dockerfile"), DOCKERFILE);
  await stack.cli(["deploy", project, "--app", "hello"]);
});
after(async () => {
  await stack?.stop();
  if (dir !== undefined) rmSync(dir, { recursive: true, force: true });
});

/** The CLI with bytes in and out. */
async function pipe(args: string[], input?: Buffer, token = stack.token): Promise<{ code: number | null; out: Buffer; err: string }> {
  const child = spawn(BERTH, args, { env: { ...env, BERTH_TOKEN: token }, stdio: "pipe" });
  const out: Buffer[] = [];
  let err = "";
  child.stdout.on("data", (chunk: Buffer) => out.push(chunk));
  child.stderr.on("data", (chunk: Buffer) => (err += chunk.toString()));
  child.stdin.on("error", () => {});
  child.stdin.end(input);
  const timer = setTimeout(() => child.kill("SIGKILL"), 30_000);
  const [code] = (await once(child, "close")) as [number | null];
  clearTimeout(timer);
  return { code, out: Buffer.concat(out), err };
}

const sha = (bytes: Buffer) => createHash("sha256").update(bytes).digest("hex");

test("exec: bytes of any kind both ways, both streams, the exit code", async () => {
  const bytes = randomBytes(3 * 2 ** 20);
  const echoed = await pipe(["exec", "hello", "cat"], bytes);
  assert.equal(echoed.code, 0, echoed.err);
  assert.equal(sha(echoed.out), sha(bytes));
  const both = await pipe(["exec", "hello", "sh", "-c", "echo out; echo err >/dev/stderr; exit 42"]);
  assert.deepEqual([both.code, both.out.toString(), both.err], [42, "out\n", "err\n"]);
  const shell = await pipe(["exec", "--app", "hello"], Buffer.from("echo $PORT; id -u\n"));
  assert.deepEqual([shell.code, shell.out.toString()], [0, "8080\n0\n"]);
  const missing = await pipe(["exec", "hello", "no-such-program", "-x"]);
  assert.equal(missing.code, 1);
  assert.match(missing.err, /«no-such-program» is not in the image.*exec_failed/s);
  assert.equal((await pipe(["exec", "no-such-app", "ls"])).code, 4);
  assert.equal((await pipe(["exec", "--instance", "zzzzzz", "hello", "ls"])).code, 4);
  const stranger = await stack.newTenant("stranger");
  assert.equal((await pipe(["exec", "hello", "ls"], undefined, stranger)).code, 4);
  assert.equal((await pipe(["exec", "hello", "ls"], undefined, "berth_wrong")).code, 3);
});

/** The CLI on a pty of 97 × 33; each step waits for a text, then types. */
async function onTerminal(command: string, steps: readonly [wait: RegExp, keys: string][]): Promise<{ code: number; text: string }> {
  const child = spawn("script", ["-qec", `stty cols 97 rows 33; ${command}`, "/dev/null"], { env: { ...env, SHELL: "/bin/sh" }, stdio: "pipe" });
  let raw = "";
  let seenTo = 0;
  const todo = [...steps];
  child.stdout.on("data", (chunk: Buffer) => {
    raw += chunk.toString();
    const next = todo[0];
    if (next === undefined || !next[0].test(stripVTControlCharacters(raw.slice(seenTo)))) return;
    todo.shift();
    seenTo = raw.length;
    setTimeout(() => child.stdin.write(next[1]), 100);
  });
  const timer = setTimeout(() => child.kill("SIGKILL"), 20_000);
  const [code] = (await once(child, "close")) as [number];
  clearTimeout(timer);
  return { code, text: stripVTControlCharacters(raw) };
}

test("exec on a terminal: its size, keys as they are, Ctrl-C for the program and not for berth, the exit code", async () => {
  const ran = await onTerminal(`'${BERTH}' exec hello sh`, [
    [/# /, "stty size\r"],
    [/33 97[^]*# /, "sleep 100\r"],
    [/sleep 100\s*\n/, "\u0003"],
    [/# /, "echo code $?; exit 5\r"],
  ]);
  assert.equal(ran.code, 5, ran.text);
  assert.match(ran.text, /code 130/);
  // What is typed is shown once: by the terminal there, not by the one here.
  assert.equal(ran.text.match(/sleep 100/g)?.length, 1, ran.text);
  const after = await onTerminal(`'${BERTH}' exec hello true; stty -a | grep -o -E -e '-?(icanon|echo|isig) '`, []);
  assert.match(after.text, /isig[^]*icanon[^]*echo/);
  assert.doesNotMatch(after.text, /-icanon|-echo /);
});

test("exec ends within a second after its token was revoked", async () => {
  const client = new pg.Client({ connectionString: postgresUrl({ port: stack.config.ports.postgres, password: stack.config.secrets.postgresPassword }) });
  await client.connect();
  try {
    const { rows: before } = await client.query<{ id: string }>("select id from tokens");
    const token = await stack.newTenant(stack.tenant);
    const { rows } = await client.query<{ id: string }>("select id from tokens where id <> all($1)", [before.map(({ id }) => id)]);
    assert.equal(rows.length, 1);
    const running = pipe(["exec", "hello", "sleep", "600"], undefined, token);
    await sleep(1500);
    await client.query("update tokens set revoked_at = now() where id = $1", [rows[0]?.id]);
    const startedAt = performance.now();
    const ended = await running;
    assert.ok(performance.now() - startedAt < 2000, `${performance.now() - startedAt} ms`);
    assert.equal(ended.code, 3, ended.err);
    assert.match(ended.err, /revoked/);
    await sleep(300);
    assert.doesNotMatch((await pipe(["exec", "hello", "ps"])).out.toString(), /sleep 600/);
  } finally {
    await client.end();
  }
});

test("cp: files and directories, in both directions; links lead nowhere here", async () => {
  const at = (name: string) => join(dir, name);
  await stack.cli(["cp", "hello:/data/one", at("one.txt")]);
  assert.equal(readFileSync(at("one.txt"), "utf8"), "one\n");
  await stack.cli(["cp", "hello:/data", at("copy")]);
  assert.equal(readFileSync(at("copy/sub/deep"), "utf8"), "deep\n");
  assert.ok(!existsSync(at("copy/link")) || readlinkSync(at("copy/link")) === "/etc");
  mkdirSync(at("tree/inner"), { recursive: true });
  writeFileSync(at("tree/inner/bytes"), randomBytes(2 ** 20), { mode: 0o750 });
  symlinkSync("inner/bytes", at("tree/link"));
  await stack.cli(["cp", at("tree"), "hello:/data"]);
  await stack.cli(["cp", at("tree"), "hello:/data/renamed"]);
  const found = await pipe(["exec", "hello", "sh", "-c", "sha256sum </data/tree/inner/bytes; stat -c %a /data/renamed/inner/bytes; readlink /data/renamed/link"]);
  assert.equal(found.out.toString(), `${sha(readFileSync(at("tree/inner/bytes")))}  -\n750\ninner/bytes\n`);
  // A link that the instance has made of a directory: what is written stays in the instance.
  await pipe(["exec", "hello", "sh", "-c", "ln -s /../../../../../../tmp /data/out"]);
  await stack.cli(["cp", at("one.txt"), "hello:/data/out/berth-escape"]);
  assert.ok(!existsSync("/tmp/berth-escape"));
  assert.equal((await pipe(["exec", "hello", "cat", "/tmp/berth-escape"])).out.toString(), "one\n");
  for (const [from, to, code] of [["hello:/no/such", at("x"), 4], [at("no-such"), "hello:/tmp/", 4], ["hello:relative", at("x"), 2], [at("a"), at("b"), 2]] as const) {
    assert.equal((await stack.tryCli(["cp", from, to])).code, code, `${from} ${to}`);
  }
  assert.ok(!existsSync(at("x")));
  // An instance whose own tar sends what it likes.
  const hostile = await tarOf({ name: "one", type: "symlink", linkname: dir }, ["one/escaped", "x"], ["../escaped", "x"], [at("escaped"), "x"], ["a/../../escaped", "x"]);
  await pipe(["exec", "hello", "sh", "-c", "cat >/hostile; rm /bin/tar; printf '#!/bin/sh\\ncat /hostile\\n' >/bin/tar; chmod +x /bin/tar"], hostile);
  mkdirSync(at("into"));
  await stack.tryCli(["cp", "hello:/data/one", `${at("into")}/`]);
  assert.ok(!existsSync(at("escaped")) && !existsSync(at("into/escaped")));
});

test("port-forward reaches the app's port, and one of its loopback; a port where nobody listens is said", async () => {
  const child = spawn(BERTH, ["port-forward", "hello", "0:8080", "0:9999", "0:7777"], { env, stdio: "pipe" });
  let text = "";
  let errors = "";
  child.stdout.on("data", (chunk: Buffer) => (text += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (errors += chunk.toString()));
  try {
    for (const deadline = Date.now() + 10_000; text.split("\n").length < 4; await sleep(20)) assert.ok(Date.now() < deadline, text + errors);
    const ports = [...text.matchAll(/127\.0\.0\.1:(\d+) → hello (\d+)/g)].map(([, local]) => Number(local));
    for (const port of ports.slice(0, 2)) {
      const answers = await Promise.all(Array.from({ length: 3 }, async () => (await fetch(`http://127.0.0.1:${port}/`)).text()));
      assert.deepEqual(answers, ["hello\n", "hello\n", "hello\n"]);
    }
    await assert.rejects(fetch(`http://127.0.0.1:${ports[2]}/`));
    for (const deadline = Date.now() + 5000; !/Nothing listens on port 7777/.test(errors); await sleep(20)) assert.ok(Date.now() < deadline, errors);
  } finally {
    child.kill("SIGINT");
  }
  const [code] = (await once(child, "close")) as [number];
  assert.equal(code, 130);
});
