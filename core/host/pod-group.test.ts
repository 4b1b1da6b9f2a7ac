import assert from "node:assert/strict";
import { test } from "node:test";
import { groupFiles } from "./pod-group.ts";

const size = { memoryBytes: 2 ** 28, cpuMillis: 1500, pidsMax: 500 };

test("a group's limits on v1: each controller has a tree of its own", () => {
  assert.deepEqual(groupFiles("v1", "/berth-bth/ins_1", size), [
    { path: "cpu/berth-bth/ins_1/cpu.shares", text: "1536" },
    { path: "cpu/berth-bth/ins_1/cpu.cfs_period_us", text: "100000" },
    { path: "cpu/berth-bth/ins_1/cpu.cfs_quota_us", text: "150000" },
    { path: "memory/berth-bth/ins_1/memory.limit_in_bytes", text: String(2 ** 28) },
    { path: "pids/berth-bth/ins_1/pids.max", text: "500" },
  ]);
});

test("a group's limits on v2: controllers are switched on above it", () => {
  assert.deepEqual(groupFiles("v2", "/berth-bth/ins_1", size), [
    { path: "/cgroup.subtree_control", text: "+cpu +memory +pids" },
    { path: "/berth-bth/cgroup.subtree_control", text: "+cpu +memory +pids" },
    { path: "/berth-bth/ins_1/cpu.weight", text: "59" },
    { path: "/berth-bth/ins_1/cpu.max", text: "150000 100000" },
    { path: "/berth-bth/ins_1/memory.max", text: String(2 ** 28) },
    { path: "/berth-bth/ins_1/pids.max", text: "500" },
  ]);
});
