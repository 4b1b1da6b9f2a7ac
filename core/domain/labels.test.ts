import assert from "node:assert/strict";
import { test } from "node:test";
import { isLabelKey, isLabelValue } from "../contract/labels.ts";
import { applyLabelsPatch, parseSelector } from "./labels.ts";

test("names and values of labels are those of Kubernetes", () => {
  for (const good of ["a", "env", "A.b_c-d", "x".repeat(63), "example.com/env", `${"a.".repeat(126)}b/x`]) assert.ok(isLabelKey(good), good);
  for (const bad of ["", "-a", "a-", "_a", "x".repeat(64), "/a", "a/", "a/b/c", "Example.com/a", "ex_ample/a", "ü", "a b", "__proto__", `${"a.".repeat(127)}b/x`]) assert.ok(!isLabelKey(bad), bad);
  for (const good of ["", "prod", "1.2.3", "A_b-c", "x".repeat(63)]) assert.ok(isLabelValue(good), good);
  for (const bad of ["-", ".x", "a b", "x".repeat(64), "a/b", "ü"]) assert.ok(!isLabelValue(bad), bad);
});

test("a patch sets and removes; no more labels than an app may have come of it", () => {
  assert.deepEqual(applyLabelsPatch({ a: "1", b: "2" }, { b: null, c: "3" }), { a: "1", c: "3" });
  const many = Object.fromEntries(Array.from({ length: 64 }, (_, index) => [`l${index}`, ""]));
  assert.deepEqual(applyLabelsPatch(many, { l0: "x" }), { ...many, l0: "x" });
  assert.throws(() => applyLabelsPatch(many, { more: "" }), { code: "invalid_config" });
});

test("selectors: equal, different, there, not there, and several", () => {
  assert.deepEqual(parseSelector(["env=prod", "tier==db,!old", "a!=b", "x.io/y"]), {
    equal: { env: "prod", tier: "db" },
    differ: [["a", "b"]],
    has: ["x.io/y"],
    lacks: ["old"],
  });
  assert.deepEqual(parseSelector(["env=", " a = b "])?.equal, { env: "", a: "b" });
  assert.equal(parseSelector(["env=a,env=b"]), undefined, "that is nothing");
  assert.deepEqual(parseSelector(["env=a,env=a"])?.equal, { env: "a" });
  for (const bad of ["", "=", "a=b=c", "!a=b", "a in (b)", "a,,b", "-a", "a=-", "!!a", "a!b"]) assert.throws(() => parseSelector([bad]), { code: "invalid_request" }, bad);
});
