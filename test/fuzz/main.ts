/** `npm run fuzz`: archives from seeds against what reads strangers' archives, until the time is over or something is wrong. */
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { removeCgroup } from "../../core/host/cgroup.ts";
import { run } from "../../core/host/spawn.ts";
import { REPOSITORY } from "../../infra/config.ts";
import { Unpacker } from "../../node-agent/unpack.ts";
import { cacheDir } from "../support/stores.ts";
import { archiveOf } from "./archives.ts";
import { tryContext } from "./contexts.ts";
import { MAX_LAYER_BYTES, MAX_LAYER_ENTRIES, tryLayer } from "./layers.ts";

const HELP = `Usage: npm run fuzz -- [--seconds N] [--seed N] [--rounds N] [--only contexts|layers]

  Mutated archives against the API's reader of build contexts (and GNU tar beside it), and against a node's unpack
  helper. Looks at files outside, time, memory and what was made. A finding names its seed: --seed N --rounds 1 repeats it.
`;
/** The agent's and the API's memory may not grow with what is thrown at them. */
const MEMORY_GROWTH_BYTES = 256 * 2 ** 20;
/** Archives have its name in them: the same one each time, so that a seed gives the same bytes. */
const CANARY = "/tmp/berth-fuzz-canary";
const WARM_UP_ROUNDS = 200;

const { values } = parseArgs({
  options: { seconds: { type: "string", default: "60" }, seed: { type: "string" }, rounds: { type: "string" }, only: { type: "string" }, help: { type: "boolean", default: false } },
});

async function main(): Promise<number> {
  if (values.help) {
    process.stdout.write(HELP);
    return 0;
  }
  const targets = ["contexts", "layers"].filter((name) => values.only === undefined || values.only === name);
  const seconds = Number(values.seconds);
  const firstSeed = Number(values.seed ?? Math.floor(Math.random() * 2 ** 31));
  const rounds = Number(values.rounds ?? Number.POSITIVE_INFINITY);
  if (targets.length === 0 || !(seconds > 0) || !Number.isInteger(firstSeed) || !(rounds > 0)) {
    process.stderr.write(HELP);
    return 2;
  }
  const dir = mkdtempSync("/tmp/berth-fuzz-");
  chmodSync(dir, 0o711);
  mkdirSync(CANARY, { recursive: true });
  writeFileSync(join(CANARY, "seen"), "untouched");
  const cgroupParent = `/berth-fuzz-${process.pid}`;
  try {
    const unpacker = await openUnpacker(dir, cgroupParent);
    const tries: Record<string, (seed: number) => Promise<string | undefined>> = {
      contexts: (seed) => tryContext(seed, CANARY),
      layers: (seed) => tryLayer(unpacker, dir, seed, CANARY),
    };
    for (const name of targets) {
      const wrong = await fuzz(name, tries[name] as (seed: number) => Promise<string | undefined>, { firstSeed, rounds, ms: (seconds * 1000) / targets.length });
      if (wrong === undefined) continue;
      const kept = `/tmp/berth-fuzz-${name}-${wrong.seed}`;
      writeFileSync(kept, archiveOf(wrong.seed, CANARY).bytes);
      process.stdout.write(`✖ ${name}, seed ${wrong.seed}: ${wrong.what}\n  the archive: ${kept}\n  again: npm run fuzz -- --only ${name} --seed ${wrong.seed} --rounds 1\n`);
      return 1;
    }
    return 0;
  } finally {
    await removeCgroup(cgroupParent);
    for (const made of [dir, CANARY]) rmSync(made, { recursive: true, force: true });
  }
}

async function openUnpacker(dir: string, cgroupParent: string): Promise<Unpacker> {
  await run([join(REPOSITORY, "infra/toolchain/make")], { env: { BERTH_CACHE: cacheDir(), PATH: process.env["PATH"] ?? "" }, timeoutMs: 600_000 });
  const runtime = { crun: join(cacheDir(), "toolchain/bin/crun"), stateDir: join(dir, "crun") };
  const unpacker = new Unpacker({ dir: join(dir, "unpack"), toolchain: join(cacheDir(), "toolchain/root"), runtime, cgroupParent, openFiles: 1024, maxBytes: MAX_LAYER_BYTES, maxEntries: MAX_LAYER_ENTRIES });
  await unpacker.open();
  return unpacker;
}

interface Bounds {
  firstSeed: number;
  rounds: number;
  ms: number;
}

async function fuzz(name: string, attempt: (seed: number) => Promise<string | undefined>, { firstSeed, rounds, ms }: Bounds): Promise<{ seed: number; what: string } | undefined> {
  const until = performance.now() + ms;
  let usual = Number.POSITIVE_INFINITY;
  let round = 0;
  for (; round < rounds && performance.now() < until; round++) {
    const seed = firstSeed + round;
    const what = await attempt(seed);
    if (what !== undefined) return { seed, what };
    if (round % WARM_UP_ROUNDS !== WARM_UP_ROUNDS - 1) continue;
    const { rss } = process.memoryUsage();
    if (rss > usual + MEMORY_GROWTH_BYTES) return { seed, what: `memory grew from ${usual} to ${rss} bytes` };
    usual = Math.min(usual, rss);
  }
  process.stdout.write(`✔ ${name}: ${round} archives, from seed ${firstSeed} on\n`);
  return undefined;
}

process.exitCode = await main();
