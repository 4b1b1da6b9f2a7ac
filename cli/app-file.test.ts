import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { allSettings, appOfFile, readAppFile } from "./app-file.ts";
import { CliError } from "./errors.ts";

let directory: string;
before(() => void (directory = mkdtempSync(join(tmpdir(), "berth-app-file-"))));
after(() => rmSync(directory, { recursive: true }));

const write = (text: string) => writeFileSync(join(directory, "berth.yaml"), text);

async function refusal(text: string): Promise<string[]> {
  write(text);
  const error = await readAppFile(directory).then(
    () => assert.fail("it was taken"),
    (thrown: unknown) => thrown,
  );
  assert.ok(error instanceof CliError && error.exitCode === 2 && error.details.code === "app_file_invalid", String(error));
  return (error.details.fields ?? []).map(({ path, message }) => `${path.slice(directory.length + 1)}: ${message}`);
}

test("a file is a deployment's config and the app's name", async () => {
  write("app: shop\nsettings:\n  replicas: 2\n  liveness: { kind: http, path: /healthz }\nenv:\n  MODE: production\n  PORT: '8080'\nlabels:\n  team: web\n");
  assert.deepEqual(await readAppFile(directory), {
    app: "shop",
    settings: { replicas: 2, liveness: { kind: "http", path: "/healthz" } },
    env: { MODE: "production", PORT: "8080" },
    labels: { team: "web" },
  });
  assert.equal(await appOfFile(directory), "shop");
});

test("no file is none, an empty one says nothing; a named one must be there", async () => {
  assert.equal(await readAppFile(join(directory, "nowhere")), undefined);
  assert.equal(await appOfFile(join(directory, "nowhere")), undefined);
  write("");
  assert.deepEqual(await readAppFile(directory), {});
  await assert.rejects(readAppFile(directory, join(directory, "other.yaml")), /other\.yaml cannot be read: there is no such file/);
});

test("mistakes are told with file, line and field", async () => {
  assert.deepEqual(await refusal("app: shop\nsettings:\n  replicas: 2\n  replica: 3\n"), ["berth.yaml:4: settings.replica there is no such field"]);
  assert.deepEqual(await refusal("env:\n  A: x\n  PORT: 8080\n"), ["berth.yaml:3: env.PORT must be text: put it into quotes"]);
  assert.deepEqual(await refusal("\nsettings:\n  liveness:\n    kind: http\n"), ["berth.yaml:3: settings.liveness.path expected string, received undefined"]);
  assert.deepEqual(await refusal("app: My App\nwhat: 1\n"), [
    "berth.yaml:1: app an app's name has lower-case letters, digits and single hyphens, starting with a letter or digit",
    "berth.yaml:2: what there is no such field",
  ]);
  assert.deepEqual(await refusal("- a\n- b\n"), ["berth.yaml:1: expected object, received array"]);
});

test("what is no YAML is told with its line; aliases may not multiply", async () => {
  const [first = ""] = await refusal("app: shop\nsettings: [1, 2\nenv: {}\n");
  assert.match(first, /^berth\.yaml:\d: /);
  assert.match((await refusal("app: a\napp: b\n"))[0] ?? "", /^berth\.yaml:2: Map keys must be unique/);
  const bomb = `a0: &a0 [x, x]\n${Array.from({ length: 12 }, (_, i) => `a${i + 1}: &a${i + 1} [*a${i}, *a${i}]\n`).join("")}`;
  assert.match((await refusal(bomb))[0] ?? "", /alias/i);
});

test("a file's settings are all of them, and the command line wins", async () => {
  assert.deepEqual(await allSettings(undefined, { replicas: 3 }), { replicas: 3 });
  const all = await allSettings({ memoryBytes: 2 ** 26, port: 3000 }, { port: 4000 });
  assert.deepEqual([all.memoryBytes, all.port, all.replicas, all.cpuMillis, all.command, all.liveness, all.scaling], [2 ** 26, 4000, 1, 1000, null, null, null]);
  const { scaling } = await allSettings({ scaling: { min: 0, max: 5 } }, { scaling: { max: 7 } });
  assert.deepEqual([scaling?.min, scaling?.max, scaling?.inFlight, scaling?.idleMs], [0, 7, null, null]);
  assert.equal((await allSettings({ scaling: { min: 0 } }, { replicas: 2 })).scaling, null);
  const { http } = await allSettings({ http: { sticky: true, compression: true } }, { http: { compression: null } });
  assert.deepEqual([all.http, http?.sticky, http?.compression, http?.allowFrom], [null, true, null, null]);
});
