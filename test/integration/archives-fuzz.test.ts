/** A short run of `npm run fuzz`, always of the same archives: what it once found stays found. */
import { join } from "node:path";
import { test } from "node:test";
import { run } from "../../core/host/spawn.ts";
import { REPOSITORY } from "../../infra/config.ts";

const fuzz = (...args: string[]) => run([join(REPOSITORY, "test/fuzz/run"), "--seconds", "200", "--seed", "1", ...args], { timeoutMs: 250_000 });

test("build contexts: refused with a code, or read as GNU tar reads them", async () => {
  await fuzz("--only", "contexts", "--rounds", "700");
});

test("layers: refused or unpacked, and nothing outside changes", async () => {
  await fuzz("--only", "layers", "--rounds", "40");
});
