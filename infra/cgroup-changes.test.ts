import assert from "node:assert/strict";
import { test } from "node:test";
import { unifiedMount } from "./cgroup-changes.ts";

test("the v2 tree, alone or beside v1, and its options", () => {
  const v1 = "30 25 0:26 / /sys/fs/cgroup/pids rw,nosuid shared:9 - cgroup cgroup rw,pids";
  assert.deepEqual(unifiedMount(`${v1}\n31 25 0:27 / /sys/fs/cgroup/unified rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n`), { path: "/sys/fs/cgroup/unified", options: ["rw", "nsdelegate"] });
  assert.deepEqual(unifiedMount("29 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate,favordynmods"), { path: "/sys/fs/cgroup", options: ["rw", "nsdelegate", "favordynmods"] });
  assert.equal(unifiedMount(v1), undefined);
});
