import assert from "node:assert/strict";
import { test } from "node:test";
import { buildKey, type BuildInputs } from "./build-key.ts";
import { parseImageRef, placeOfBase, placesOfImage } from "./image-ref.ts";

const INPUTS: BuildInputs = {
  dockerfilePath: "Dockerfile",
  dockerfileText: "FROM a\n",
  contextDigest: "sha256:1",
  buildArgs: { A: "1", B: "2" },
  target: undefined,
  platform: "linux/amd64",
  baseDigests: new Map([["a", "sha256:a"], ["b", "sha256:b"]]),
  hasRemoteAdd: false,
  secrets: [{ name: "npm", id: "sec_1", version: 1 }],
};

test("the same inputs have the same key, in whatever order they are named", () => {
  const key = buildKey(INPUTS);
  assert.match(key ?? "", /^sha256:[0-9a-f]{64}$/);
  assert.equal(buildKey({ ...INPUTS, buildArgs: { B: "2", A: "1" }, baseDigests: new Map([["b", "sha256:b"], ["a", "sha256:a"]]) }), key);
});

test("every input changes the key", () => {
  const changes: Partial<BuildInputs>[] = [
    { dockerfilePath: "D" },
    { dockerfileText: "FROM b\n" },
    { contextDigest: "sha256:2" },
    { buildArgs: { A: "1" } },
    { buildArgs: { A: "1", B: "3" } },
    { target: "x" },
    { platform: "linux/arm64" },
    { baseDigests: new Map([["a", "sha256:c"], ["b", "sha256:b"]]) },
    { secrets: [] },
    { secrets: [{ name: "npm", id: "sec_1", version: 2 }] },
    { secrets: [{ name: "npm", id: "sec_2", version: 1 }] },
  ];
  const keys = new Set(changes.map((change) => buildKey({ ...INPUTS, ...change })));
  assert.equal(keys.size, changes.length);
  assert.equal(keys.has(buildKey(INPUTS)), false);
});

test("what cannot be known gives no key", () => {
  assert.equal(buildKey({ ...INPUTS, hasRemoteAdd: true }), null);
  assert.equal(buildKey({ ...INPUTS, baseDigests: new Map([["a", null]]) }), null);
});

test("names of images", () => {
  const digest = `sha256:${"0".repeat(64)}`;
  assert.deepEqual(parseImageRef("python"), { host: undefined, path: "python", tag: undefined, digest: undefined });
  assert.deepEqual(parseImageRef(`localhost:5000/a/b:1@${digest}`), { host: "localhost:5000", path: "a/b", tag: "1", digest });
  assert.deepEqual(parseImageRef("localhost/a"), { host: "localhost", path: "a", tag: undefined, digest: undefined });
  for (const wrong of ["", "A", "a:", "a@sha256:1", "a//b", "a:b:c", "-a", "a/$X", "https://a/b"]) assert.equal(parseImageRef(wrong), undefined, wrong);
});

test("where a base image lies", () => {
  const view = { hosts: ["r.example:7070"], tenantName: "acme" };
  const place = (text: string) => {
    const ref = parseImageRef(text);
    const found = ref && placeOfBase(ref, view);
    return found && `${found.repository} ${found.reference}`;
  };
  assert.equal(place("python:3"), "library/python 3");
  assert.equal(place("docker.io/python"), "library/python latest");
  assert.equal(place("docker.io/library/python"), "library/python latest");
  assert.equal(place("acme/web:1"), "acme/web 1");
  assert.equal(place("r.example:7070/acme/web"), "acme/web latest");
  assert.equal(place("other/web:1"), undefined);
  assert.equal(place("ghcr.io/acme/web:1"), undefined);
  assert.equal(place("r.example:7070/web"), undefined);
});

test("where an image to deploy is looked for", () => {
  const view = { hosts: ["r.example:7070"], tenantName: "acme" };
  const places = (text: string) => placesOfImage(parseImageRef(text)!, view).map((p) => `${p.repository} ${p.reference}`);
  assert.deepEqual(places("web:1"), ["acme/web 1", "library/web 1"]);
  assert.deepEqual(places("acme/web"), ["acme/web latest"]);
  assert.deepEqual(places("r.example:7070/library/debian:12"), ["library/debian 12"]);
  assert.deepEqual(places("other/web"), []);
  assert.deepEqual(places("docker.io/acme/web"), []);
});
