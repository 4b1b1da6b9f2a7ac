import assert from "node:assert/strict";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, describe, it } from "node:test";
import { CliError } from "../errors.ts";
import { readContext } from "./walk.ts";

const base = mkdtempSync(join(tmpdir(), "berth-walk-"));
after(() => rmSync(base, { recursive: true }));
let made = 0;

function tree(files: Record<string, string>): string {
  const root = join(base, String(made++));
  mkdirSync(root);
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  return root;
}
const paths = (directory: string, more: object = {}) => readContext({ directory, ...more }).entries.map((entry) => entry.path);
const fails = (code: string, message: RegExp) => (error: unknown) => {
  assert.ok(error instanceof CliError);
  assert.equal(error.details.code, code);
  assert.match(error.message, message);
  return true;
};

describe("the build context", () => {
  it("is in byte order, each directory before what it holds", () => {
    const root = tree({ Dockerfile: "FROM x", "b/z": "", "b/a": "", a: "", Z: "", "b.txt": "", ".hidden": "" });
    assert.deepEqual(paths(root), [".hidden", "Dockerfile", "Z", "a", "b", "b/a", "b/z", "b.txt"]);
  });

  it("leaves out what .dockerignore names, and does not walk into it", () => {
    const root = tree({ Dockerfile: "", ".dockerignore": "node_modules\n*.log\nsub/*.tmp", "node_modules/a/b.js": "", "x.log": "", "sub/x.log": "", "sub/a.tmp": "" });
    chmodSync(join(root, "node_modules/a"), 0o000);
    assert.deepEqual(paths(root), [".dockerignore", "Dockerfile", "sub", "sub/x.log"]);
  });

  it("always sends the Dockerfile and .dockerignore, and their directories", () => {
    const root = tree({ "build/Dockerfile": "", ".dockerignore": "*", "build/other": "", a: "" });
    assert.deepEqual(paths(root, { dockerfile: join(root, "build/Dockerfile") }), [".dockerignore", "build", "build/Dockerfile"]);
  });

  it("sends what a ! rule brings back, with its directories, and no empty ones", () => {
    const root = tree({ Dockerfile: "", ".dockerignore": "*\n!src/keep", "src/keep/a": "", "src/other/b": "", "src/c": "" });
    assert.deepEqual(paths(root), [".dockerignore", "Dockerfile", "src", "src/keep", "src/keep/a"]);
  });

  it("takes <Dockerfile>.dockerignore and not .dockerignore", () => {
    const root = tree({ "prod.Dockerfile": "", "prod.Dockerfile.dockerignore": "a", ".dockerignore": "b", a: "", b: "" });
    assert.deepEqual(paths(root, { dockerfile: join(root, "prod.Dockerfile") }), [".dockerignore", "b", "prod.Dockerfile", "prod.Dockerfile.dockerignore"]);
  });

  it("adds a Dockerfile from elsewhere under a name of its content, out of reach of COPY", () => {
    const root = tree({ a: "", ".dockerignore": "secret", secret: "" });
    const other = tree({ Dockerfile: "FROM scratch" });
    const context = readContext({ directory: root, dockerfile: join(other, "Dockerfile") });
    assert.match(context.dockerfile, /^\.dockerfile\.[0-9a-f]{12}$/);
    const rules = context.entries.find((entry) => entry.path === `${context.dockerfile}.dockerignore`);
    assert.ok(rules?.kind === "text");
    assert.equal(rules.content.toString(), `secret\n${context.dockerfile}\n${context.dockerfile}.dockerignore\n`);
    assert.equal(context.fileCount, 4);
  });

  it("takes the Dockerfile's text from stdin", () => {
    const root = tree({ a: "" });
    const context = readContext({ directory: root, dockerfileText: Buffer.from("FROM x") });
    assert.deepEqual(context.entries.map((entry) => entry.path), ["a", context.dockerfile, `${context.dockerfile}.dockerignore`]);
  });

  it("keeps modes and symbolic links as they are, also broken ones and ones that lead out", () => {
    const root = tree({ Dockerfile: "", run: "", "dir/x": "" });
    chmodSync(join(root, "run"), 0o755);
    symlinkSync("/etc/passwd", join(root, "out"));
    symlinkSync("dir", join(root, "to-dir"));
    const entries = new Map(readContext({ directory: root }).entries.map((entry) => [entry.path, entry]));
    assert.equal(entries.get("run")?.mode, 0o755);
    const out = entries.get("out");
    assert.ok(out?.kind === "symlink" && out.target === "/etc/passwd");
    assert.equal(entries.get("to-dir")?.kind, "symlink");
    assert.equal(entries.has("to-dir/x"), false);
  });

  it("dates a directory by the newest thing that is sent from it", () => {
    const root = tree({ Dockerfile: "", "dir/a": "", "dir/ignored": "", ".dockerignore": "dir/ignored" });
    utimesSync(join(root, "dir/a"), 1000, 1000);
    const dir = readContext({ directory: root }).entries.find((entry) => entry.path === "dir");
    assert.equal(dir?.mtimeS, 1000);
  });

  it("leaves out sockets, and says so", async () => {
    const root = tree({ Dockerfile: "" });
    const server = createServer().listen(join(root, "s.sock"));
    await new Promise((resolve) => server.once("listening", resolve));
    try {
      const context = readContext({ directory: root });
      assert.deepEqual(context.skipped, ["s.sock"]);
      assert.deepEqual(context.entries.map((entry) => entry.path), ["Dockerfile"]);
    } finally {
      server.close();
    }
  });

  it("follows DIR itself when it is a symbolic link", () => {
    const root = tree({ Dockerfile: "" });
    symlinkSync(root, `${root}-link`);
    assert.deepEqual(paths(`${root}-link`), ["Dockerfile"]);
  });

  it("says what is missing", () => {
    const root = tree({ "Dockerfile.prod": "" });
    assert.throws(() => paths(root), fails("dockerfile_missing", /There is no Dockerfile in/));
    assert.throws(() => paths(root), (error: unknown) => error instanceof CliError && /-f Dockerfile\.prod/.test(error.details.hint ?? ""));
    assert.throws(() => paths(root, { dockerfile: "no/such" }), fails("dockerfile_missing", /no\/such/));
    assert.throws(() => paths(join(root, "nowhere")), fails("usage", /cannot be opened: there is no such file/));
    assert.throws(() => paths(join(root, "Dockerfile.prod")), fails("usage", /is not a directory/));
  });
});
