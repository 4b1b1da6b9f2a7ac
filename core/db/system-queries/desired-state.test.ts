import assert from "node:assert/strict";
import { test } from "node:test";
import { SettingsSchema, type Image } from "../../contract/release-config.ts";
import { tenantUidBase } from "../../domain/id-ranges.ts";
import { layerDigests, renderDesired, type DesiredRow } from "./desired-state.ts";
import { placeOf } from "./secrets.ts";

const layer = (fill: string) => ({ digest: `sha256:${fill.repeat(64)}`, diffId: `sha256:${"0".repeat(64)}`, sizeBytes: 1, mediaType: "x" });
const image: Image = {
  manifestDigest: `sha256:${"f".repeat(64)}`,
  layers: [layer("a"), layer("b")],
  entrypoint: ["/entry"],
  cmd: ["default"],
  env: ["PATH=/bin", "EMPTY=", "EQ=a=b", "broken"],
  workingDir: "/srv",
  user: "web",
  exposedPorts: [3000, 4000],
  volumes: ["/data"],
  stopSignal: "SIGINT",
};
const row = (more: { env?: Record<string, string>; sharedEnv?: Record<string, string>; secrets?: DesiredRow["secrets"]; settings?: object; image?: Partial<Image>; images?: Record<string, Image> } = {}): DesiredRow => ({
  id: "ins_01h2xcejqtf2nbrexx3vqjhp41" as DesiredRow["id"],
  appId: "app_01h2xcejqtf2nbrexx3vqjhp41" as DesiredRow["appId"],
  appName: "web",
  tenantId: "ten_01h2xcejqtf2nbrexx3vqjhp41" as DesiredRow["tenantId"],
  tenantOrdinal: 3,
  releaseId: "rel_01h2xcejqtf2nbrexx3vqjhp41" as DesiredRow["releaseId"],
  state: "wanted",
  run: null,
  image: { ...image, ...more.image },
  settings: { ...SettingsSchema.parse({}), ...more.settings },
  images: more.images ?? {},
  env: more.env ?? {},
  sharedEnv: more.sharedEnv ?? {},
  secrets: more.secrets ?? [],
});
const secretId = (end: string) => `sec_01h2xcejqtf2nbrexx3vqjhp${end}` as DesiredRow["secrets"][number]["id"];
const render = (...rows: DesiredRow[]) => renderDesired({ generation: 7, instances: rows, volumes: [] }, (digest) => `url:${digest}`, new Map()).instances;

test("an instance is rendered whole: command, layers with URLs, limits, ids of its tenant", () => {
  const [instance] = render(row());
  assert.deepEqual(instance?.args, ["/entry", "default"]);
  assert.deepEqual(instance?.layers.map((l) => l.url), image.layers.map((l) => `url:${l.digest}`));
  assert.equal(instance?.uidBase, tenantUidBase(3));
  assert.equal(instance?.hostname, "web-qjhp41");
  assert.deepEqual([instance?.workingDir, instance?.user, instance?.stopSignal], ["/srv", "web", "SIGINT"]);
  assert.equal(instance?.limits.memoryBytes, 512 * 2 ** 20);
});

test("a command replaces CMD and keeps ENTRYPOINT", () => {
  assert.deepEqual(render(row({ settings: { command: ["a", "b"] } }))[0]?.args, ["/entry", "a", "b"]);
});

test("environment: the image's, then PORT, then the owner's; names appear once", () => {
  const [instance] = render(row({ env: { PATH: "/own", NEW: "1" } }));
  assert.deepEqual(instance?.env, ["PATH=/own", "EMPTY=", "EQ=a=b", "PORT=3000", "NEW=1"]);
});

test("the port: a setting beats the owner's PORT, which beats EXPOSE, which beats 8080; PORT always says it", () => {
  const portOf = (r: DesiredRow) => [render(r)[0]?.port, render(r)[0]?.env.find((e) => e.startsWith("PORT="))];
  assert.deepEqual(portOf(row({ settings: { port: 5000 }, env: { PORT: "6000" } })), [5000, "PORT=5000"]);
  assert.deepEqual(portOf(row({ env: { PORT: "6000" } })), [6000, "PORT=6000"]);
  assert.deepEqual(portOf(row()), [3000, "PORT=3000"]);
  assert.deepEqual(portOf(row({ image: { exposedPorts: [] } })), [8080, "PORT=8080"]);
  assert.deepEqual(portOf(row({ env: { PORT: "none" } })), [3000, "PORT=none"]);
  assert.deepEqual(portOf(row({ env: { PORT: "70000" } })), [3000, "PORT=70000"]);
});

test("other containers: the app's image with its variables and secrets, or another with its own alone", () => {
  const other: Image = { ...image, layers: image.layers.slice(0, 1), entrypoint: ["/proxy"], cmd: ["-v"], env: ["P=1"] };
  const settings = SettingsSchema.parse({
    init: [{ name: "migrate", command: ["up"], env: { A: "mine" }, timeoutMs: 5000 }],
    sidecars: [{ name: "proxy", image: "proxy:1", env: { X: "y" }, startup: { kind: "tcp", port: 1 } }, { name: "close", image: "proxy:1", appEnv: true }],
    startup: { kind: "tcp" },
    restartPolicy: "on-failure",
  });
  const rows = [row({ settings, images: { "proxy:1": other }, env: { A: "app", S: "hidden" }, secrets: [{ id: secretId("41"), name: "S", kind: "env", version: 1 }] })];
  const [instance] = render(...rows);
  const [migrate] = instance?.init ?? [];
  assert.deepEqual([migrate?.args, migrate?.env, migrate?.hasSecrets, migrate?.restartPolicy, migrate?.timeoutMs], [["/entry", "up"], ["PATH=/bin", "EMPTY=", "EQ=a=b", "A=mine"], true, "on-failure", 5000]);
  const [proxy, close] = instance?.sidecars ?? [];
  assert.deepEqual([proxy?.args, proxy?.env, proxy?.hasSecrets, proxy?.startup?.kind, proxy?.layers.length], [["/proxy", "-v"], ["P=1", "X=y"], false, "tcp", 1]);
  assert.deepEqual([close?.env, close?.hasSecrets, close?.restartPolicy], [["P=1", "A=app"], true, "always"]);
  assert.deepEqual([instance?.startup?.kind, instance?.restartPolicy], ["tcp", "on-failure"]);
  assert.equal(render(row())[0]?.sidecars, undefined);
});

test("layers that instances share are asked for once", () => {
  assert.equal(layerDigests([row(), row()]).length, 2);
});

test("shared variables are there unless the app has its own; a secret hides a variable of its name", () => {
  const rows = [row({ sharedEnv: { A: "shared", B: "shared", PATH: "/shared" }, env: { A: "own", C: "own" }, secrets: [{ id: secretId("41"), name: "C", kind: "env", version: 2 }, { id: secretId("42"), name: "key.pem", kind: "file", version: 1 }] })];
  const [{ tenantId } = row()] = rows;
  const opened = new Map([
    [placeOf({ tenantId, id: secretId("41"), version: 2 }), Buffer.from("hidden")],
    [placeOf({ tenantId, id: secretId("42"), version: 1 }), Buffer.from([0, 255])],
  ]);
  const [instance] = renderDesired({ generation: 1, instances: rows, volumes: [] }, () => "", opened).instances;
  assert.deepEqual(instance?.env, ["PATH=/shared", "EMPTY=", "EQ=a=b", "PORT=3000", "A=own", "B=shared"]);
  assert.deepEqual(instance?.secrets, { kind: "values", env: ["C=hidden"], files: [{ name: "key.pem", content: "AP8=" }] });
});

test("an instance whose secrets cannot be opened says so; others are rendered", () => {
  const [without, with_] = render(row(), row({ secrets: [{ id: secretId("41"), name: "C", kind: "env", version: 2 }] }));
  assert.equal(without?.secrets, undefined);
  assert.equal(with_?.secrets?.kind, "unavailable");
});
