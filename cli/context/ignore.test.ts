import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseIgnore } from "./ignore.ts";

/** Rules → paths that are left out, and paths that are sent. From Docker's documentation, then from moby's tests. */
const CASES: [title: string, rules: string, out: string[], sent: string[]][] = [
  ["a comment and an empty line say nothing", "# a\n\n  \n", [], ["a", "# a"]],
  ["a # that is not first is part of a name", " #a", ["#a"], ["a"]],
  ["*/temp* is one level down", "*/temp*", ["somedir/temporary.txt", "somedir/temp"], ["temp", "a/b/temp"]],
  ["*/*/temp* is two levels down", "*/*/temp*", ["somedir/subdir/temporary.txt"], ["somedir/temp"]],
  ["temp? has one more character", "temp?", ["tempa", "tempb"], ["temp", "tempab", "a/tempa"]],
  ["** is any number of directories, and none", "**/*.go", ["a.go", "a/b/c.go"], ["a.gos"]],
  ["a name matches in the root alone", "node_modules", ["node_modules", "node_modules/a/b.js"], ["web/node_modules", "node_modules2"]],
  ["slashes around a pattern mean nothing", "/foo/bar/", ["foo/bar", "foo/bar/x"], ["bar", "foo"]],
  [". and .. are cleaned away", "./a/../b", ["b"], ["a"]],
  ["a lone . is nothing", ".", [], ["a", "b/c"]],
  ["the last rule that matches wins: README-secret is out", "*.md\n!README*.md\nREADME-secret.md", ["a.md", "README-secret.md"], ["README.md", "README-x.md"]],
  ["the last rule that matches wins: README-secret is in", "*.md\nREADME-secret.md\n!README*.md", ["a.md"], ["README-secret.md", "README.md"]],
  ["a directory's file comes back though the directory is out", "a\n!a/b/c", ["a/x", "a/b/d"], ["a/b/c"]],
  ["all but one", "*\n!src\n!package.json", ["README.md", "docs/a"], ["src/a/b.js", "package.json"]],
  ["all but one, with **", "**\n!src/**/*.js", ["src/a.ts", "x"], ["src/a.js", "src/b/c.js"]],
  ["the case counts", "Makefile", ["Makefile"], ["makefile"]],
  ["white space around a rule is not part of it", "  a  \n!  b ", ["a"], ["b"]],
  ["a space within one is", "a b", ["a b"], ["a"]],
  ["characters of regular expressions are themselves", "c++/(x){y}|z.$", ["c++/(x){y}|z.$"], ["c/x", "ccc/x"]],
  [". is no wildcard", "a.b", ["a.b"], ["axb"]],
  ["classes", "[a-c].txt", ["a.txt"], ["d.txt"]],
  ["classes that exclude", "[^a-c].txt", ["d.txt"], ["a.txt"]],
  ["a backslash escapes", "\\*.txt", ["*.txt"], ["a.txt"]],
  ["Windows line ends", "a\r\nb\r\n", ["a", "b"], ["c"]],
  ["a byte order mark", "\uFEFFa", ["a"], ["b"]],
  ["names of JavaScript's own", "constructor\ntoString", ["constructor", "toString"], ["valueOf", "hasOwnProperty"]],
  ["**/ in the middle", "a/**/z", ["a/z", "a/b/z", "a/b/c/z"], ["z", "b/a/z"]],
  ["a trailing /**", "dir/**", ["dir/a", "dir/a/b"], ["dir2/a"]],
  [".git is not special", "", [], [".git/config", ".env"]],
];

describe(".dockerignore", () => {
  for (const [title, rules, out, sent] of CASES) {
    it(title, () => {
      const parsed = parseIgnore(rules);
      for (const path of out) assert.equal(parsed.ignores(path), true, `${path} is left out`);
      for (const path of sent) assert.equal(parsed.ignores(path), false, `${path} is sent`);
    });
  }

  it("a directory is walked only where something below it may come back", () => {
    const rules = parseIgnore("*\n!src/a/keep\n!lib/*.js");
    assert.equal(rules.mayReinclude("src"), true);
    assert.equal(rules.mayReinclude("src/a"), true);
    assert.equal(rules.mayReinclude("src/b"), false);
    assert.equal(rules.mayReinclude("lib"), true);
    assert.equal(rules.mayReinclude("node_modules"), false);
    assert.equal(parseIgnore("*\n!**/x").mayReinclude("node_modules/a"), true);
    assert.equal(parseIgnore("node_modules").mayReinclude("node_modules"), false);
  });
});
