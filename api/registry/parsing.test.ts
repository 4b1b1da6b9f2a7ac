/** Headers, scopes and pages as clients send and get them. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { grant } from "./auth.ts";
import { parseContentRange, parseRange } from "./body.ts";
import { RegistryError } from "./errors.ts";
import { firstPage } from "./manifests.ts";

const isRangeError = (error: unknown) => error instanceof RegistryError && error.code === "RANGE_INVALID" && error.toResponse().status === 416;

test("Range: one range is served, what is no range is ignored, what lies beyond the end is refused", () => {
  for (const [header, expected] of [
    [undefined, undefined],
    ["bytes=0-0", { start: 0, end: 0 }],
    ["bytes=2-5", { start: 2, end: 5 }],
    ["bytes=2-", { start: 2, end: 9 }],
    ["bytes=2-99", { start: 2, end: 9 }],
    ["bytes=-3", { start: 7, end: 9 }],
    ["bytes=-99", { start: 0, end: 9 }],
    ["bytes=5-3", undefined],
    ["bytes=-", undefined],
    ["bytes=0-1,4-5", undefined],
    ["bytes=a-b", undefined],
    ["lines=0-1", undefined],
    [`bytes=${"9".repeat(400)}-`, undefined],
  ] as const) {
    assert.deepEqual(parseRange(header, 10), expected, header);
  }
  for (const header of ["bytes=10-", "bytes=11-20", "bytes=-0"]) assert.throws(() => parseRange(header, 10), isRangeError, header);
  assert.throws(() => parseRange("bytes=0-", 0), isRangeError);
});

test("Content-Range of a chunk", () => {
  assert.equal(parseContentRange(undefined), undefined);
  for (const header of ["5-9", "bytes 5-9/*", "bytes 5-9/100", "bytes=5-9"]) assert.deepEqual(parseContentRange(header), { start: 5, end: 9 }, header);
  for (const header of ["", "5", "9-5", "-5", "5-", "a-b", "bytes */10", `${"9".repeat(300)}-${"9".repeat(301)}`]) assert.throws(() => parseContentRange(header), isRangeError, header);
});

test("a scope is granted within the own tenant and, for reading, within the catalogue", () => {
  const alice = { tenantName: "alice" };
  const granted = (scope: string, holder?: { tenantName: string }) => grant(scope, holder && { ...holder, scopes: new Set(["read", "deploy"]), appId: null, appName: null, isSuspended: false }).map(({ name, actions }) => `${name}:${actions.join(",")}`);
  assert.deepEqual(granted("repository:alice/web:pull,push", alice), ["alice/web:pull,push"]);
  assert.deepEqual(granted("repository:alice/web/cache:*", alice), ["alice/web/cache:pull,push,delete"]);
  assert.deepEqual(granted("repository:library/python:pull,push,delete", alice), ["library/python:pull"]);
  assert.deepEqual(granted("repository:library/python:pull"), ["library/python:pull"]);
  assert.deepEqual(granted("registry:catalog:*", alice), ["alice/*:pull", "library/*:pull"]);
  assert.deepEqual(granted("registry:catalog:*"), ["library/*:pull"]);
  for (const scope of ["repository:bob/web:pull", "repository:alice:pull", "repository:alicea/web:pull", "repository:alice/web:own", "repository:*:*", "repository:/*:pull", "registry:*:*", "alice/web", ""]) {
    assert.deepEqual(granted(scope, alice), [], scope);
  }
  for (const scope of ["repository:alice/web:pull", "repository:undefined/web:pull"]) assert.deepEqual(granted(scope), [], scope);
});

test("a page of referrers fits into its bytes, and has one at least", () => {
  const candidates = [3, 4, 5, 1].map((sizeBytes, n) => ({ digest: `d${n}`, sizeBytes }));
  assert.deepEqual(firstPage(candidates, 7, 10), ["d0", "d1"]);
  assert.deepEqual(firstPage(candidates, 1, 10), ["d0"]);
  assert.deepEqual(firstPage(candidates, 100, 3), ["d0", "d1", "d2"]);
  assert.deepEqual(firstPage([], 7, 10), []);
});
