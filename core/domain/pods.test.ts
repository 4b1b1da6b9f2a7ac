import assert from "node:assert/strict";
import { test } from "node:test";
import { InitContainersSchema, SidecarsSchema } from "../contract/pods.ts";
import { SettingsSchema } from "../contract/release-config.ts";
import { instanceSize, startPatienceMs } from "./pods.ts";

const MIB = 2 ** 20;
const settings = SettingsSchema.parse({ memoryBytes: 100 * MIB, cpuMillis: 500, pidsMax: 100 });
const init = (more: object) => InitContainersSchema.parse([{ name: "migrate", ...more }]);

test("an instance is as large as what runs at the same time", () => {
  assert.deepEqual(instanceSize(settings), { memoryBytes: 100 * MIB, cpuMillis: 500, pidsMax: 100 });
  const sidecars = SidecarsSchema.parse([{ name: "proxy", memoryBytes: 20 * MIB }, { name: "logs", cpuMillis: 100, pidsMax: 8 }]);
  assert.deepEqual(instanceSize({ ...settings, sidecars }), { memoryBytes: 248 * MIB, cpuMillis: 850, pidsMax: 364 });
  assert.deepEqual(instanceSize({ ...settings, sidecars, init: init({ memoryBytes: 1000 * MIB }) }), { memoryBytes: 1000 * MIB, cpuMillis: 850, pidsMax: 364 });
});

test("what comes before the app has its time, too", () => {
  const startup = { kind: "tcp", port: 1, failures: 4, periodMs: 1000 };
  const pod = { ...settings, init: init({ timeoutMs: 9000 }), sidecars: SidecarsSchema.parse([{ name: "proxy", startup }]) };
  assert.equal(startPatienceMs(settings), 60_000);
  assert.equal(startPatienceMs({ ...pod, startup: { kind: "tcp", failures: 2, periodMs: 500, timeoutMs: 100 } }), 60_000 + 9000 + 4000 + 1000);
});

test("names are distinct, and not the app's own; checks name their ports", () => {
  const refused = (value: object) => SettingsSchema.safeParse(value).error?.issues.map(({ path, message }) => `${path.join(".")} ${message}`);
  assert.equal(refused({ sidecars: [{ name: "a" }], init: [{ name: "b" }] }), undefined);
  assert.deepEqual(refused({ sidecars: [{ name: "a" }], init: [{ name: "a" }] }), ["sidecars two containers have the same name"]);
  assert.deepEqual(refused({ sidecars: [{ name: "a" }, { name: "a" }] }), ["sidecars two containers have the same name"]);
  assert.match(refused({ sidecars: [{ name: "main" }] })?.[0] ?? "", /sidecars\.0\.name «main» is the app's own container/);
  assert.match(refused({ sidecars: [{ name: "../x" }] })?.[0] ?? "", /sidecars\.0\.name a container's name has/);
  assert.match(refused({ sidecars: [{ name: "a", liveness: { kind: "tcp" } }] })?.[0] ?? "", /name their port/);
  assert.match(refused({ init: [{ name: "a", restartPolicy: "always" }] })?.[0] ?? "", /init\.0\.restartPolicy/);
  assert.equal(refused({ sidecars: Array.from({ length: 9 }, (_, n) => ({ name: `a${n}` })) })?.length, 1);
});
