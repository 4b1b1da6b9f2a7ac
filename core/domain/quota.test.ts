import assert from "node:assert/strict";
import { test } from "node:test";
import { SettingsSchema } from "../contract/release-config.ts";
import { exceeded, grows, NO_DEMAND, sizeOf } from "./quota.ts";

const GIB = 2 ** 30;

test("an app takes its replicas times what each may use, or its maximum where it scales", () => {
  const settings = SettingsSchema.parse({ replicas: 3, cpuMillis: 500, memoryBytes: GIB });
  assert.deepEqual(sizeOf(settings), { instances: 3, cpuMillis: 1500, memoryBytes: 3 * GIB });
  assert.deepEqual(sizeOf({ ...settings, scaling: { max: 8 } }), { instances: 8, cpuMillis: 4000, memoryBytes: 8 * GIB });
  assert.deepEqual(sizeOf({ ...settings, replicas: 0 }), NO_DEMAND);
});

test("a demand grows when anything of it does", () => {
  const now = { instances: 2, cpuMillis: 2000, memoryBytes: GIB };
  assert.equal(grows(now, now), false);
  assert.equal(grows(NO_DEMAND, now), false);
  assert.equal(grows({ ...now, instances: 1, memoryBytes: GIB + 1 }, now), true);
});

test("what fits exactly fits; one more names the limit, what is used and what was asked", () => {
  assert.equal(exceeded("apps", 10, 9, 1), undefined);
  assert.equal(exceeded("apps", 0, 0, 0), undefined);
  assert.deepEqual(exceeded("apps", 1000, 1000, 1), {
    detail: "The limit «apps» is 1,000; 1,000 of it are used, 1 more were asked for.",
    quota: { limit: "apps", max: 1000, used: 1000, asked: 1 },
  });
  assert.equal(exceeded("storageBytes", 10 * GIB, 9.5 * GIB, GIB)?.detail, "The limit «storageBytes» is 10 GiB; 9.5 GiB of it are used, 1 GiB more were asked for.");
  assert.match(exceeded("buildMinutesMonth", 5, 5, 1)?.detail ?? "", /used this month/);
  assert.match(exceeded("memoryBytes", 100, 0, 1023)?.detail ?? "", /is 100 bytes; 0 bytes .* 1023 bytes more/);
});
