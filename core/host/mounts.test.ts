import assert from "node:assert/strict";
import { test } from "node:test";
import { overlayOptions } from "./mounts.ts";

const overlay = { base: "/layers", upper: "/i/upper", work: "/i/work", target: "/i/root" };

test("an overlay's layers: the highest first, as the kernel reads them; attributes of images have no power", () => {
  assert.equal(overlayOptions({ ...overlay, lowers: ["low", "middle", "high"] }), "lowerdir=high:middle:low,upperdir=/i/upper,workdir=/i/work,userxattr");
  assert.equal(overlayOptions({ ...overlay, lowers: ["one"] }), "lowerdir=one,upperdir=/i/upper,workdir=/i/work,userxattr");
});

test("as many layers as an image may have fit into the page that mount(2) takes", () => {
  const lowers = Array.from({ length: 128 }, (_, index) => String(index).padStart(24, "0"));
  const dir = `/var/lib/berth/node/instances/ins_${"0".repeat(26)}`;
  assert.ok(overlayOptions({ ...overlay, lowers, upper: `${dir}/upper`, work: `${dir}/work` }).length < 4096);
});
