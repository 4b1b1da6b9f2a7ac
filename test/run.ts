/** `npm test`: unit, integration and e2e tests in turn, and after each a look at whether something was left behind. */
import { chmodSync, globSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { relative } from "node:path";
import { run } from "node:test";
import { QUICK_IMPORTS, REPOSITORY } from "../infra/config.ts";
import { seconds } from "../infra/report.ts";
import { awaitNoLeaks, snapshot } from "./support/leaks.ts";
import { sweepStacks } from "./support/stack.ts";

const HELP = `Usage: npm test -- [unit|integration|e2e] [part of a file's name …]

  npm test                      everything
  npm test -- unit              only the tests beside the code
  npm test -- e2e main-job      only test files with «main-job» in their name
  npm test -- node-life pods    those with one of the two

Tests that need root are left out, and named, when they are not run as root.
`;

interface Stage {
  name: string;
  globs: string[];
  concurrency: number;
  /** For one file. */
  timeoutMs: number;
}

const CODE = ["api", "bench", "cli", "client", "core", "gateway", "infra", "migrations", "node-agent", "workers"];
const STAGES: readonly Stage[] = [
  { name: "unit", globs: CODE.map((folder) => `${folder}/**/*.test.ts`).concat("test/support/**/*.test.ts", "test/rules/**/*.test.ts"), concurrency: 2, timeoutMs: 120_000 },
  { name: "integration", globs: ["test/integration/**/*.test.ts"], concurrency: 2, timeoutMs: 300_000 },
  // Whole stacks are measured against time limits: one at a time.
  { name: "e2e", globs: ["test/e2e/**/*.test.ts"], concurrency: 1, timeoutMs: 720_000 },
];

interface Counts {
  passed: number;
  failed: number;
  skipped: number;
}

/** A test that failed; `file` is relative to the repository. */
interface Failure {
  file: string;
  name: string;
  error: string;
}

interface Outcome {
  counts: Counts;
  failures: Failure[];
}

const isRoot = process.getuid?.() === 0;
const out = process.stdout;

/** Tests need root unless their file says that they do not. */
function needsRoot(file: string): boolean {
  return !/^\/\/ needs no root/m.test(readFileSync(file, "utf8"));
}

async function runStage(stage: Stage, parts: readonly string[], total: Counts, report: string[]): Promise<void> {
  const all = globSync(stage.globs, { cwd: REPOSITORY }).sort().map((file) => `${REPOSITORY}/${file}`);
  const wanted = all.filter((file) => parts.length === 0 || parts.some((part) => relative(REPOSITORY, file).includes(part)));
  if (all.length === 0) throw new Error(`no test files for «${stage.name}»: ${stage.globs.join(" ")}`);
  const files = wanted.filter((file) => isRoot || stage.name === "unit" || !needsRoot(file));
  for (const file of wanted.filter((each) => !files.includes(each))) {
    total.skipped++;
    out.write(`- ${relative(REPOSITORY, file)} (skipped: needs root for containers, mounts and networks)\n`);
  }
  if (files.length === 0) return;
  out.write(`\n${stage.name}: ${files.length} files\n`);
  const startedAtMs = performance.now();
  const before = await snapshot();
  const { counts, failures } = await runFiles(stage, files);
  if (failures.length > 0) await runAlone(stage, failures, counts, report);
  const leaks = await awaitNoLeaks(before);
  if (leaks.length > 0) {
    counts.failed++;
    const text = `✖ left behind by ${stage.name}:\n${leaks.map((leak) => `    ${leak}\n`).join("")}`;
    out.write(text);
    report.push(text);
  }
  out.write(`${stage.name}: ${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped (${seconds(performance.now() - startedAtMs)})\n`);
  for (const key of ["passed", "failed", "skipped"] as const) total[key] += counts[key];
}

/**
 * A file that failed beside others runs once more, by itself. What passes then fails nothing, as a busy machine is no
 * bug, but the summary names it: a test that needs this twice is to be mended.
 */
async function runAlone(stage: Stage, failures: Failure[], counts: Counts, report: string[]): Promise<void> {
  const files = [...new Set(failures.map(({ file }) => file))];
  out.write(`\n${stage.name}: once more, alone: ${files.join(", ")}\n`);
  const again = await runFiles({ ...stage, concurrency: 1 }, files.map((file) => `${REPOSITORY}/${file}`));
  const still = new Set(again.failures.map(({ file }) => file));
  counts.failed = again.failures.length;
  for (const { file, name, error } of failures) if (!still.has(file)) report.push(`~ ${file}: ${name}: failed beside others, passed alone\n${indent(error.slice(0, 600))}\n`);
  for (const { file, name, error } of again.failures) report.push(`✖ ${file}: ${name}\n${indent(error.slice(0, 2000))}\n`);
}

const indent = (text: string) => text.replace(/^/gm, "    ");

function runFiles(stage: Stage, files: string[]): Promise<Outcome> {
  const counts: Counts = { passed: 0, failed: 0, skipped: 0 };
  const failures: Failure[] = [];
  const perFile = new Map<string, Counts & { ms: number }>();
  return new Promise((resolve, reject) => {
    const stream = run({ files, concurrency: stage.concurrency, timeout: stage.timeoutMs, cwd: REPOSITORY });
    const note = (file: string | undefined, key: keyof Counts, ms: number) => {
      counts[key]++;
      const name = file === undefined ? "?" : relative(REPOSITORY, file);
      const entry = perFile.get(name) ?? { passed: 0, failed: 0, skipped: 0, ms: 0 };
      entry[key]++;
      entry.ms += ms;
      perFile.set(name, entry);
    };
    stream.on("test:pass", ({ name, file, skip, details }) => {
      if (details.type === "suite") return;
      note(file, skip === undefined || skip === false ? "passed" : "skipped", details.duration_ms);
      if (typeof skip === "string" && skip !== "") out.write(`- ${name} (skipped: ${skip})\n`);
      else if (stage.name !== "unit") out.write(`✔ ${file === undefined ? "" : relative(REPOSITORY, file)}: ${name} (${seconds(details.duration_ms)})\n`);
    });
    stream.on("test:fail", ({ name, file, todo, details }) => {
      if (details.type === "suite" || todo === true) return;
      note(file, "failed", details.duration_ms);
      const cause = details.error.cause ?? details.error;
      const text = cause instanceof Error ? (cause.stack ?? cause.message) : String(cause);
      const failure: Failure = { file: file === undefined ? "?" : relative(REPOSITORY, file), name, error: text };
      failures.push(failure);
      out.write(`✖ ${failure.file}: ${name} (${seconds(details.duration_ms)})\n${indent(text)}\n`);
    });
    stream.on("test:stderr", ({ message }) => void process.stderr.write(message));
    stream.on("test:summary", ({ file }) => {
      const name = file === undefined ? undefined : relative(REPOSITORY, file);
      const entry = name === undefined ? undefined : perFile.get(name);
      if (stage.name === "unit" && name !== undefined && entry !== undefined && entry.failed === 0) out.write(`✔ ${name}: ${entry.passed} (${seconds(entry.ms)})\n`);
    });
    stream.on("error", reject);
    stream.on("end", () => resolve({ counts, failures }));
    stream.resume();
  });
}

async function main(): Promise<number> {
  const args = process.argv.slice(2).filter((argument) => argument !== "--");
  if (args.includes("--help") || args.includes("-h")) {
    out.write(HELP);
    return 0;
  }
  const named = STAGES.filter(({ name }) => name === args[0]);
  const parts = named.length > 0 ? args.slice(1) : args;
  // All that tests make in the temporary directory lies in one place, and is known by it.
  const dir = mkdtempSync("/tmp/bt-");
  // Servers that run as other users must get through.
  chmodSync(dir, 0o711);
  process.env["TMPDIR"] = dir;
  process.env["BERTH_TEST_RUN"] = dir;
  // Of all programs that tests start.
  process.env["NODE_OPTIONS"] = QUICK_IMPORTS;
  process.env["NODE_COMPILE_CACHE"] = `${dir}/compiled`;
  const total: Counts = { passed: 0, failed: 0, skipped: 0 };
  const report: string[] = [];
  const startedAtMs = performance.now();
  try {
    if (isRoot) await sweepOldRuns(dir);
    for (const stage of named.length > 0 ? named : STAGES) await runStage(stage, parts, total, report);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
  if (total.passed + total.failed + total.skipped === 0) out.write(`No test file has «${parts.join("» or «")}» in its name.\n`);
  if (report.length > 0) out.write(`\n${report.join("")}`);
  out.write(`\n${seconds(performance.now() - startedAtMs)}\n${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped\n`);
  return total.failed > 0 || total.passed === 0 ? 1 : 0;
}

/** Stacks of runs that were killed. */
async function sweepOldRuns(own: string): Promise<void> {
  for (const dir of globSync("/tmp/bt-*")) if (dir !== own) await sweepStacks(dir);
}

process.exitCode = await main();
