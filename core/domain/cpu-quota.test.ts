import assert from "node:assert/strict";
import { test } from "node:test";
import { cpuQuotaUs, cpuShares, cpuWeight, monitorCpuMillis } from "./cpu-quota.ts";

test("cpu limits as the kernel takes them", () => {
  assert.deepEqual([1, 10, 350, 1000, 64_000].map(cpuQuotaUs), [1000, 1000, 35_000, 100_000, 6_400_000]);
  assert.deepEqual([1, 500, 1000].map(cpuShares), [2, 512, 1024]);
  assert.deepEqual([1, 500, 1000, 256_000].map(cpuWeight), [1, 20, 39, 10_000]);
});

test("who writes logs down has a part of what the app has, within bounds", () => {
  assert.deepEqual([10, 400, 1000, 8000].map(monitorCpuMillis), [50, 100, 250, 250]);
});
