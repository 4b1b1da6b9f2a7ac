import assert from "node:assert/strict";
import { test } from "node:test";
import { bearerToken, createToken, hashToken, isToken, TOKEN_PATTERN } from "./tokens.ts";

test("a new token has the pattern and its checksum, and is never the same", () => {
  const made = new Set(Array.from({ length: 200 }, createToken));
  assert.equal(made.size, 200);
  for (const token of made) {
    assert.match(token, TOKEN_PATTERN);
    assert.ok(isToken(token));
  }
});

test("one wrong character is noticed wherever it stands", () => {
  const token = createToken();
  for (let i = 0; i < token.length; i++) {
    const wrong = token.slice(0, i) + (token[i] === "x" ? "y" : "x") + token.slice(i + 1);
    assert.equal(isToken(wrong), false, wrong);
  }
});

test("what is no token is none", () => {
  for (const text of ["", "berth_", "berth_" + "0".repeat(37), "berth_" + "0".repeat(39), `${createToken()}\n`, ` ${createToken()}`]) {
    assert.equal(isToken(text), false, JSON.stringify(text));
  }
});

test("the checksum and the hash are what they were when the first tokens were made", () => {
  assert.ok(isToken(`berth_${"0".repeat(32)}2wjyrI`));
  assert.equal(hashToken("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
});

test("bearerToken reads the header and nothing else", () => {
  assert.equal(bearerToken("Bearer abc"), "abc");
  assert.equal(bearerToken("bearer  abc "), "abc");
  assert.equal(bearerToken("Basic abc"), undefined);
  assert.equal(bearerToken("Bearer a b"), undefined);
  assert.equal(bearerToken("Bearer "), undefined);
  assert.equal(bearerToken(undefined), undefined);
});
