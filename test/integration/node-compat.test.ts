/**
 * Images as people make them do under Berth's node what they do under Docker: `test/compat/expected/` has what a Docker
 * engine showed. By default a few of them; with BERTH_COMPAT=all (`npm run compat`) all, and where dockerd is installed
 * each once more by Docker; BERTH_COMPAT=record writes down what Docker shows.
 */
import assert from "node:assert/strict";
import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { startDocker, type Peer } from "../../bench/support/peers.ts";
import { run } from "../../core/host/spawn.ts";
import { REPOSITORY } from "../../infra/config.ts";
import { ALLOWED, loadDocker, underBerth, underDocker } from "../support/compat.ts";
import { IN_GVISOR } from "../support/gvisor.ts";
import { TestNode } from "../support/node.ts";
import { cacheDir } from "../support/stores.ts";

const COMPAT = join(REPOSITORY, "test/compat");
const mode = process.env["BERTH_COMPAT"] ?? "few";
const set = mode === "few" ? "few" : "all";
const layout = join(cacheDir(), `compat-${set}/oci`);
const only = process.env["BERTH_COMPAT_ONLY"]?.split(",");
const images = (set === "few" ? readFileSync(join(COMPAT, "few"), "utf8").trim().split("\n") : readdirSync(join(COMPAT, "images"))).filter((image) => only?.includes(image) ?? true);

const expectedFile = (image: string) => join(COMPAT, "expected", `${image}.txt`);
const expected = (image: string) => readFileSync(expectedFile(image), "utf8");

before(() => run([join(COMPAT, "make"), set], { env: { BERTH_CACHE: cacheDir(), PATH: process.env["PATH"] ?? "" }, timeoutMs: 3_600_000 }));

describe("under Docker", { skip: mode === "few" ? "only in the long suite" : false }, () => {
  let docker: Peer | undefined;
  let dir: string;
  before(async () => {
    dir = mkdtempSync(join(tmpdir(), "berth-compat-"));
    chmodSync(dir, 0o711);
    docker = await startDocker(dir);
  });
  after(async () => {
    await docker?.stop();
    rmSync(dir, { recursive: true, force: true });
  });
  for (const image of images) {
    test(image, async (t) => {
      if (docker === undefined) return t.skip("dockerd is not installed");
      await loadDocker(docker, join(dir, "load"), layout, image);
      const found = await underDocker(docker, image);
      if (mode === "record") writeFileSync(expectedFile(image), found);
      else assert.equal(found, expected(image));
    });
  }
});

describe("under Berth", { skip: IN_GVISOR && "some show the kernel: node-gvisor.test.ts runs the others" }, () => {
  let node: TestNode;
  before(async () => {
    node = await TestNode.start();
  });
  after(() => node?.stop());
  test("every image has an expectation, and none is left over", { skip: set === "few" || only !== undefined }, () => {
    assert.deepEqual(images.filter((image) => !existsSync(expectedFile(image))), []);
    assert.deepEqual(readdirSync(join(COMPAT, "expected")).filter((name) => !images.includes(name.replace(".txt", ""))), []);
  });
  for (const image of images) {
    test(image, async () => {
      const allowed = (ALLOWED[image] ?? []).reduce((text, { docker, berth }) => {
        assert.ok(text.includes(docker), `Docker shows «${docker}» no more`);
        return text.replace(docker, () => berth);
      }, expected(image));
      assert.equal(await underBerth(node, layout, image), allowed);
    });
  }
});
