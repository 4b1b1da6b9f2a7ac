/** Who may import whom. A check that saw no files fails. */
import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { test } from "node:test";
import { REPOSITORY } from "../../infra/config.ts";

const APPS = ["api", "workers", "node-agent", "gateway", "cli", "infra"];
const FOLDERS = [...APPS, "bench", "client", "core", "migrations", "test"];

interface Import {
  from: string;
  /** A path of the repository, or a package's name. */
  to: string;
}

function readImports(file: string): Import[] {
  const text = readFileSync(join(REPOSITORY, file), "utf8");
  const found = text.matchAll(/^(?:import|export)\b[^'"`;]*?\bfrom\s+["']([^"']+)["']|^import\s+["']([^"']+)["']|\bimport\(\s*["']([^"']+)["']/gm);
  return [...found].map((match) => {
    const to = match[1] ?? match[2] ?? match[3] ?? "";
    return { from: file, to: to.startsWith(".") ? normalize(join(dirname(file), to)) : to };
  });
}

const files = globSync(FOLDERS.map((folder) => `${folder}/**/*.ts`), { cwd: REPOSITORY, exclude: ["**/node_modules/**"] }).sort();
const imports = files.flatMap(readImports);
const within = (path: string, folder: string) => path === folder || path.startsWith(`${folder}/`);
const isTest = (path: string) => path.endsWith(".test.ts") || within(path, "test") || within(path, "bench");

function broken(rule: (each: Import) => boolean): string[] {
  return imports.filter(rule).map(({ from, to }) => `${from} imports ${to}`);
}

test("the check sees the sources and their imports", () => {
  assert.ok(files.length > 100, `${files.length} files`);
  assert.ok(imports.length > 300, `${imports.length} imports`);
  for (const folder of FOLDERS) assert.ok(files.some((file) => within(file, folder)), `no file in ${folder}/`);
  assert.ok(imports.some(({ from, to }) => within(from, "api") && within(to, "core/db")), "imports are read");
});

test("apps never import each other", () => {
  const appOf = (path: string) => APPS.find((app) => within(path, app));
  assert.deepEqual(broken(({ from, to }) => !isTest(from) && appOf(from) !== undefined && appOf(to) !== undefined && appOf(from) !== appOf(to)), []);
});

test("core imports no app", () => {
  assert.deepEqual(broken(({ from, to }) => within(from, "core") && !isTest(from) && APPS.some((app) => within(to, app))), []);
});

test("client stands alone: whoever uses it needs nothing else of the repository", () => {
  assert.deepEqual(broken(({ from, to }) => within(from, "client") && !isTest(from) && !within(to, "client") && to.includes("/") && FOLDERS.some((folder) => within(to, folder))), []);
});

test("core/domain imports core/domain and types of core/contract alone", () => {
  // A hash is a pure function.
  const allowed = (to: string) => within(to, "core/domain") || within(to, "core/contract") || to === "node:crypto" || !/^(node:|core\/|\.\.\/)/.test(to);
  assert.deepEqual(broken(({ from, to }) => within(from, "core/domain") && !isTest(from) && !allowed(to)), []);
});

test("core/domain has no clock, no chance, no environment and no waiting", () => {
  const domain = files.filter((file) => within(file, "core/domain") && !isTest(file));
  assert.ok(domain.length > 3);
  const impure = /\bawait\b|\basync\b|\bDate\.now\(|\bnew Date\(\)|\bMath\.random\(|\bprocess\.|\bperformance\.now\(|\bsetTimeout\(/;
  const code = (file: string) => readFileSync(join(REPOSITORY, file), "utf8").replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, "");
  assert.deepEqual(domain.filter((file) => impure.test(code(file))), []);
});

test("core/contract imports core/domain and core/contract alone", () => {
  assert.deepEqual(broken(({ from, to }) => within(from, "core/contract") && !isTest(from) && within(to, "core") && !within(to, "core/domain") && !within(to, "core/contract")), []);
});

test("core/db, and core/registry which reads it, are for the API, workers and infra", () => {
  const allowed = ["api", "workers", "infra", "migrations", "core/db", "core/registry"];
  assert.deepEqual(broken(({ from, to }) => (within(to, "core/db") || within(to, "core/registry")) && !isTest(from) && !allowed.some((folder) => within(from, folder))), []);
});

test("programs are started by core/host/spawn.ts alone", () => {
  assert.deepEqual(broken(({ from, to }) => /^(node:)?child_process$/.test(to) && !isTest(from) && from !== "core/host/spawn.ts"), []);
});

test("no file grows past what can be read at once", () => {
  const lines = (file: string) => readFileSync(join(REPOSITORY, file), "utf8").split("\n").length;
  const written = files.filter((file) => file !== "client/schema.ts");
  assert.deepEqual(written.map((file) => [file, lines(file)] as const).filter(([, count]) => count > 450), []);
});
