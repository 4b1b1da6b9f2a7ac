import assert from "node:assert/strict";
import { test } from "node:test";
import { effectiveScopes, missingScopes, ROLE_SCOPES, ROLES, SCOPES } from "./access.ts";

test("each role has what the next lower one has", () => {
  const [owner, developer, viewer] = ROLES.map((role) => new Set<string>(ROLE_SCOPES[role]));
  assert.ok(developer?.isSubsetOf(owner ?? new Set()));
  assert.ok(viewer?.isSubsetOf(developer ?? new Set()));
  assert.deepEqual([...ROLE_SCOPES.owner], [...SCOPES]);
});

test("a token has at most the scopes of its owner's role, and at most its own", () => {
  assert.deepEqual([...effectiveScopes(["read", "deploy", "admin"], "developer")], ["read", "deploy"]);
  assert.deepEqual([...effectiveScopes(["read"], "owner")], ["read"]);
  assert.deepEqual([...effectiveScopes(["deploy"], "viewer")], []);
  assert.deepEqual([...effectiveScopes(["deploy", "logs"], null)], ["deploy", "logs"]);
});

test("nobody gives what they do not have", () => {
  assert.deepEqual(missingScopes(["read", "admin"], effectiveScopes(SCOPES, "developer")), ["admin"]);
  assert.deepEqual(missingScopes(["read"], effectiveScopes(SCOPES, "owner")), []);
});
