import assert from "node:assert/strict";
import { test } from "node:test";
import { SettingsSchema } from "../../contract/release-config.ts";
import type { Strategy } from "../../contract/strategy.ts";
import { renderRoutes, type RouteInstance, type RouteRow } from "./routes.ts";

const NOW = 1_000_000;
const row = (more: Partial<RouteRow> = {}): RouteRow => ({
  appId: "app" as RouteRow["appId"],
  domains: [],
  appName: "web",
  tenantName: "acme",
  liveReleaseId: "r2" as RouteRow["liveReleaseId"],
  targetReleaseId: "r2" as RouteRow["targetReleaseId"],
  liveNumber: 2,
  coming: null,
  watchUntil: null,
  requestTimeoutMs: 1000,
  concurrency: 8,
  sleep: {},
  http: null,
  maintenance: null,
  mayRun: true,
  ...more,
});
const instance = (id: string, more: Partial<RouteInstance> = {}): RouteInstance => ({
  id: id as RouteInstance["id"],
  appId: "app" as RouteRow["appId"],
  releaseId: "r2" as RouteInstance["releaseId"],
  state: "wanted",
  phase: "ready",
  address: "10.0.0.1",
  port: 80,
  temperature: "frozen",
  wake: { url: "http://10.0.0.9:7080", token: "t".repeat(32) },
  protocol: null,
  ...more,
});
const render = (r: RouteRow, ...instances: RouteInstance[]) => renderRoutes([r], instances, "berth.test", NOW)[0];

test("only ready instances of the live release take requests", () => {
  const route = render(
    row(),
    instance("ready"),
    instance("starting", { phase: "starting" }),
    instance("other", { releaseId: "r3" as RouteInstance["releaseId"] }),
    instance("unsaid", { phase: null }),
    instance("nowhere", { address: null }),
    instance("odd", { address: "::1" }),
    instance("elsewhere", { appId: "app2" as RouteRow["appId"] }),
  );
  assert.deepEqual(route?.hosts, ["web-acme.berth.test"]);
  assert.deepEqual(route?.endpoints, [{ instanceId: "ready", address: "10.0.0.1", port: 80 }]);
  assert.deepEqual(route?.draining, []);
});

test("what drains is named, of any release and phase, as long as it has an address", () => {
  const route = render(row(), instance("a", { state: "draining", releaseId: "r1" as RouteInstance["releaseId"], phase: "backing-off" }), instance("b", { state: "draining", address: null }));
  assert.deepEqual(route?.draining.map((e) => e.instanceId), ["a"]);
});

test("what is done with requests is said where something is, and what an instance speaks with each", () => {
  const plain = render(row({ http: { protocol: "http1" } }), instance("a", { protocol: "http1" }));
  assert.deepEqual(["http" in (plain ?? {}), "maintenance" in (plain ?? {}), plain?.endpoints], [false, false, [{ instanceId: "a", address: "10.0.0.1", port: 80 }]]);
  const route = render(row({ http: { protocol: "h2c", sticky: true }, maintenance: { retryAfterS: 60 } }), instance("a", { protocol: "h2c" }));
  assert.deepEqual([route?.http, route?.maintenance, route?.endpoints[0]?.protocol], [{ sticky: true }, { retryAfterS: 60 }, "h2c"]);
});

test("a request is held only for an app that should run", () => {
  assert.ok((render(row())?.holdTimeoutMs ?? 0) > 0);
  assert.ok((render(row({ liveReleaseId: null }))?.holdTimeoutMs ?? 0) > 0, "its first rollout");
  assert.equal(render(row({ liveReleaseId: null, targetReleaseId: null }))?.holdTimeoutMs, 0);
  assert.equal(render(row({ mayRun: false }))?.holdTimeoutMs, 0);
});

test("where instances may sleep, gateways are told how long they wait, how warm each is and where it is woken", () => {
  const sleeps = { scaling: { min: 0, max: 3, idleMs: 60_000 } };
  const [one, unsaid] = [instance("a"), instance("b", { temperature: null })];
  const route = render(row({ sleep: sleeps }), one, unsaid, instance("c", { wake: null }));
  assert.equal(route?.freezeAfterMs, 60_000);
  assert.deepEqual(route?.endpoints.map(({ temperature, wake }) => [temperature, wake]), [["frozen", one.wake], ["running", one.wake], [undefined, undefined]]);
  const never = render(row({ sleep: { ...sleeps, freezeAfterMs: 0 } }), one);
  assert.deepEqual([never?.freezeAfterMs, never?.endpoints[0]?.wake], [undefined, undefined]);
});

test("a rolling release takes requests beside the live one, a canary gets its share by itself, and both are watched", () => {
  const r3 = "r3" as RouteInstance["releaseId"];
  const during = (strategy: Strategy, more: Partial<NonNullable<RouteRow["coming"]>> = {}) =>
    render(row({ targetReleaseId: r3, coming: { number: 3, settings: SettingsSchema.parse({ strategy, concurrency: 5 }), wasLive: false, step: null, ...more } }), instance("old"), instance("new", { releaseId: r3 }));
  const names = (endpoints: { instanceId: string }[] = []) => endpoints.map((one) => one.instanceId);
  const rolling = during({ kind: "rolling", maxSurge: 1, maxUnavailable: 0 });
  assert.deepEqual([names(rolling?.endpoints), rolling?.watched], [["old", "new"], true]);
  const canary: Strategy = { kind: "canary", steps: [{ percent: 5, holdMs: 1 }, { percent: 50, holdMs: 1 }], pin: ["header"] };
  assert.equal(during(canary)?.canary, undefined, "before its first step");
  const second = during(canary, { step: 1 });
  assert.deepEqual(names(second?.endpoints), ["old"]);
  assert.deepEqual([names(second?.canary?.endpoints), second?.canary?.percent, second?.canary?.name, second?.canary?.liveName, second?.canary?.hosts], [["new"], 50, "v3", "v2", ["canary--web-acme.berth.test"]]);
  assert.equal(during(canary, { step: 1, wasLive: true })?.canary, undefined, "a rollback goes straight");
  assert.deepEqual([render(row({ watchUntil: NOW + 1 }))?.watched, render(row({ watchUntil: NOW }))?.watched], [true, undefined]);
});
