import assert from "node:assert/strict";
import { test } from "node:test";
import { AppError } from "../contract/errors.ts";
import { MountPathSchema, MountSchema, VolumeSizeSchema } from "../contract/volumes.ts";
import { checkMounts, explainVolumes } from "./mounts.ts";

const mount = (volume: string, path: string, more = {}) => MountSchema.parse({ volume, path, ...more });
const refused = (settings: Parameters<typeof checkMounts>[0], pattern: RegExp) => assert.throws(() => checkMounts(settings), (error: unknown) => error instanceof AppError && error.code === "invalid_config" && pattern.test(error.message));

test("one writer goes with one instance; several need shared or readOnly", () => {
  const mounts = [mount("data", "/data")];
  checkMounts({ mounts, replicas: 1 });
  refused({ mounts, replicas: 2 }, /replicas: 1/);
  refused({ mounts, replicas: 1, scaling: { max: 10 } }, /scaling.max: 1/);
  checkMounts({ mounts: [mount("data", "/data", { shared: true })], replicas: 3 });
  checkMounts({ mounts: [mount("data", "/data", { readOnly: true })], replicas: 3 });
});

test("mounts do not hide each other", () => {
  refused({ mounts: [mount("a", "/data"), mount("b", "/data")], replicas: 1 }, /Two mounts/);
  refused({ mounts: [mount("a", "/data")], scratch: [{ path: "/data/tmp", sizeBytes: 2 ** 24 }], replicas: 1 }, /lies within/);
  refused({ mounts: [mount("a", "/data"), mount("a", "/other")], replicas: 1 }, /twice/);
  checkMounts({ mounts: [mount("a", "/data"), mount("b", "/data2"), mount("c", "/data-3")], replicas: 1 });
});

test("an explanation says where, and why not", () => {
  const volume = { name: "data", node: "n1", isNodeLost: false, isHeld: false, isExclusive: true };
  assert.match(explainVolumes([volume])[0] ?? "", /runs on n1.*one writer/);
  assert.match(explainVolumes([{ ...volume, isNodeLost: true }])[0] ?? "", /n1.*is away.*starts nowhere else/);
  assert.match(explainVolumes([{ ...volume, isNodeLost: true, isHeld: true }])[0] ?? "", /being restored or moved/);
  assert.deepEqual(explainVolumes([{ ...volume, node: null }]), []);
});

test("paths are absolute, plain and nobody else's", () => {
  for (const path of ["/data", "/var/lib/postgresql/data", "/usr/share/elasticsearch/data", "/etc/grafana", "/tmp", "/with space"]) assert.ok(MountPathSchema.safeParse(path).success, path);
  for (const path of ["", "data", "/", "//", "/data/", "/a//b", "/a/../b", "/./a", "/proc", "/proc/1", "/sys/x", "/dev/shm", "/etc", "/etc/passwd", "/run/secrets", "/run/secrets/x", "/usr", "/a\0b"]) {
    assert.ok(!MountPathSchema.safeParse(path).success, JSON.stringify(path));
  }
});

test("sizes are whole MiB, from 16 on", () => {
  assert.ok(VolumeSizeSchema.safeParse(16 * 2 ** 20).success);
  for (const size of [0, 2 ** 20, 16 * 2 ** 20 + 1, 2 ** 60]) assert.ok(!VolumeSizeSchema.safeParse(size).success);
});
