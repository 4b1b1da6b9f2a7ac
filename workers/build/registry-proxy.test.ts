import assert from "node:assert/strict";
import { test } from "node:test";
import { isAllowed, repositoryOf } from "./registry-proxy.ts";

test("the repository of a path", () => {
  assert.equal(repositoryOf("/v2/library/python/manifests/3"), "library/python");
  assert.equal(repositoryOf("/v2/me/web/cache/blobs/sha256:ab"), "me/web/cache");
  assert.equal(repositoryOf("/v2/me/web/blobs/uploads/"), "me/web");
  for (const path of ["/v2/", "/v2/_catalog", "/v1/apps", "/v2/../v1/manifests/x", "/v2/a/../b/manifests/x", "/v2/me/web/blobs/"]) assert.equal(repositoryOf(path), undefined, path);
});

test("a build reads the catalogue and its tenant, and writes its own repository alone", () => {
  const access = { repository: "me/web", tenantPrefix: "me/" };
  const may = (method: string, repository: string) => isAllowed(access, method, repository);
  assert.ok(may("PUT", "me/web"));
  assert.ok(may("POST", "me/web/cache"));
  assert.ok(may("GET", "library/python"));
  assert.ok(may("HEAD", "me/other"));
  assert.ok(!may("PUT", "me/other"));
  assert.ok(!may("PUT", "library/python"));
  assert.ok(!may("GET", "you/web"));
  assert.ok(!may("PUT", "me/web2"));
  assert.ok(!may("GET", "meme/web"));
});
