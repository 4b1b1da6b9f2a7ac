import assert from "node:assert/strict";
import { test } from "node:test";
import { claimsMatch, isSafePattern, matchesPattern } from "./trust.ts";

test("«*» stays within its part", () => {
  for (const [pattern, text, expected] of [
    ["repo:acme/shop:ref:refs/heads/main", "repo:acme/shop:ref:refs/heads/main", true],
    ["repo:acme/shop:ref:refs/heads/main", "repo:acme/shop:ref:refs/heads/main2", false],
    ["repo:acme/*:ref:refs/heads/main", "repo:acme/shop:ref:refs/heads/main", true],
    ["repo:acme/*:ref:refs/heads/main", "repo:acme/shop/x:ref:refs/heads/main", false],
    ["repo:acme/*", "repo:acme/shop:ref:refs/heads/main", false],
    ["repo:acme/*:pull_request", "repo:acme/a:ref:x:pull_request", false],
    ["*", "", true],
    ["*", "a b", true],
    ["*", "a/b", false],
    ["v*.*", "v1.20", true],
    ["v*.*", "v1", false],
    ["a**b", "ab", true],
    ["a.c", "abc", false],
    ["", "", true],
    ["", "a", false],
    ["A", "a", false],
    ["ü*", "üé😀", true],
    ["*/x*y", "a/xby", true],
  ] as const) {
    assert.equal(matchesPattern(pattern, text), expected, `${pattern} ~ ${text}`);
  }
});

test("a pattern of many stars takes no longer than others", () => {
  const startedMs = performance.now();
  assert.equal(matchesPattern("*a".repeat(250), `${"a".repeat(1999)}b`), false);
  assert.ok(performance.now() - startedMs < 1000);
});

test("all claims must hold; of a list one element; what is no text never does", () => {
  const wanted = { sub: "repo:acme/*", environment: "production" };
  assert.ok(claimsMatch(wanted, { sub: "repo:acme/shop", environment: "production", other: 1 }));
  assert.ok(!claimsMatch(wanted, { sub: "repo:acme/shop" }));
  assert.ok(!claimsMatch(wanted, { sub: "repo:acme/shop", environment: "staging" }));
  assert.ok(claimsMatch({ groups: "ci" }, { groups: ["dev", "ci"] }));
  assert.ok(claimsMatch({ protected: "true", id: "42" }, { protected: true, id: 42 }));
  assert.ok(!claimsMatch({ groups: "ci" }, { groups: { ci: "ci" } }));
  assert.ok(!claimsMatch({ constructor: "*" }, {}));
  assert.ok(!claimsMatch({ sub: "null" }, { sub: null }));
});

test("a pattern that holds for everybody is known", () => {
  for (const pattern of ["*", "**", "*:*", "*/*"]) assert.ok(!isSafePattern(pattern), pattern);
  assert.ok(isSafePattern("repo:*"));
});
