// needs no root
/** What docs/api.md and the README say to type is typed, against a real API; what they say comes back does. */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { openMemoryBlobStore } from "../../core/blob-store/memory.ts";
import { tags } from "../../core/db/schema.ts";
import { REPOSITORY } from "../../infra/config.ts";
import { startTestApi, type TestApi } from "../support/api.ts";
import { runProgram } from "../support/cli-run.ts";
import { compareAnswer, readExamples, type Example } from "../support/doc-examples.ts";
import { whileLiving } from "../support/living.ts";
import { startStores, type Stores } from "../support/stores.ts";

let stores: Stores;
let api: TestApi;
let dir: string;
before(async () => {
  dir = mkdtempSync(join(tmpdir(), "berth-docs-"));
  stores = await startStores({ only: ["postgres", "redis"] });
  api = await startTestApi({ ...stores, blobs: openMemoryBlobStore() }, { redisPrefix: stores.redisPrefix, migrate: false, rateLimits: true });
  await api.db.insert(tags).values(["busybox", "python"].map((name) => ({ repository: `library/${name}`, tag: name === "python" ? "3" : "latest", digest: `sha256:${"1".repeat(64)}` })));
});
after(async () => {
  rmSync(dir, { recursive: true, force: true });
  await api?.close();
  await stores?.stop();
});

/** Variables that an example sets are there for the next one. */
async function run({ script }: Example, token: string): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const state = join(dir, "variables");
  const whole = `[ -e '${state}' ] && . '${state}'\nset -e -o pipefail\n${script}\ndeclare -p $(compgen -v | grep -E '^(KEY|DEPLOYMENT|BUILD|CURSOR|ETAG|TENANT)$') > '${state}' 2>/dev/null || true`;
  return runProgram(["bash", "-c", whole], { cwd: dir, env: { PATH: process.env["PATH"], HOME: dir, BERTH_API: api.url, BERTH_TOKEN: token } });
}

test("docs/api.md: every example does what the page says", async () => {
  const examples = readExamples(readFileSync(join(REPOSITORY, "docs/api.md"), "utf8"));
  assert.ok(examples.length >= 20, `${examples.length} examples`);
  const { name, token } = await api.tenant();
  await whileLiving(
    api,
    name,
    async () => {
      for (const example of examples) {
        const { code, stdout, stderr } = await run(example, token);
        assert.equal(code, 0, `${example.title}: ${example.script}\n${stderr}${stdout}`);
        if (example.expected === undefined) continue;
        assert.deepEqual(compareAnswer(example.expected, stdout), [], `${example.title}: ${example.script}`);
      }
    },
    { log: ["STEP 1/1: FROM busybox", "COMMIT", "done"] },
  );
});

test("README: what one can do by hand is accepted", async () => {
  const readme = readFileSync(join(REPOSITORY, "README.md"), "utf8");
  const block = /^## Using it by hand\n[^]*?```sh\n([^]*?)```/m.exec(readme)?.[1] ?? assert.fail("the section is gone");
  const commands = block.replaceAll("\\\n", " ").split("\n").filter((line) => /\bcurl\b/.test(line));
  assert.equal(commands.length, 3);
  const { token } = await api.tenant();
  writeFileSync(join(dir, "Dockerfile"), "FROM python:3\n");
  for (const command of commands) {
    const script = command.replaceAll("http://127.0.0.1:7070", api.url).replaceAll("curl ", "curl -sSi ");
    const { code, stdout, stderr } = await run({ title: "README", script, expected: undefined }, token);
    assert.equal(code, 0, stderr);
    assert.match(stdout, /^HTTP\/1\.1 20[02] [^]*"id":"dep_/m, `${script}: ${stdout}`);
  }
});
