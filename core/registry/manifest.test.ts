import assert from "node:assert/strict";
import { test } from "node:test";
import { exposedTcpPorts } from "./image.ts";
import { BadManifest, choosePlatform, MEDIA, parseManifest } from "./manifest.ts";
import { allows } from "./token.ts";

const digest = `sha256:${"a".repeat(64)}`;
const descriptor = { mediaType: "application/vnd.oci.image.layer.v1.tar", digest, size: 1 };
const manifest = { schemaVersion: 2, mediaType: MEDIA.ociManifest, config: { ...descriptor, mediaType: "application/vnd.oci.image.config.v1+json" }, layers: [descriptor] };
const index = { schemaVersion: 2, mediaType: MEDIA.ociIndex, manifests: [{ ...descriptor, mediaType: MEDIA.ociManifest }] };

test("a manifest and an index are read as what they are", () => {
  assert.equal(parseManifest(JSON.stringify(manifest), MEDIA.ociManifest).kind, "manifest");
  assert.equal(parseManifest(JSON.stringify(index), MEDIA.ociIndex).kind, "index");
  const { mediaType: _none, ...silent } = manifest;
  assert.equal(parseManifest(JSON.stringify(silent), MEDIA.dockerManifest).kind, "manifest");
});

test("what two clients could read differently is refused", () => {
  const bad: [unknown, string][] = [
    [{ ...manifest, manifests: index.manifests }, MEDIA.ociManifest],
    [{ ...manifest, manifests: null }, MEDIA.ociManifest],
    [{ ...index, layers: [] }, MEDIA.ociIndex],
    [{ ...index, config: manifest.config }, MEDIA.ociIndex],
    [manifest, MEDIA.ociIndex],
    [manifest, MEDIA.dockerManifest],
    [manifest, "application/json"],
    [manifest, ""],
    [{ ...manifest, schemaVersion: 1 }, MEDIA.ociManifest],
    [{ ...manifest, layers: [{ ...descriptor, digest: `sha512:${"a".repeat(128)}` }] }, MEDIA.ociManifest],
    [{ ...manifest, layers: [{ ...descriptor, digest: "sha256:../../x" }] }, MEDIA.ociManifest],
    [{ ...manifest, layers: [{ ...descriptor, size: -1 }] }, MEDIA.ociManifest],
    [{ ...manifest, layers: [{ ...descriptor, size: 1.5 }] }, MEDIA.ociManifest],
    [{ ...manifest, layers: [{ ...descriptor, size: 1e300 }] }, MEDIA.ociManifest],
    [{ ...manifest, layers: Array.from({ length: 1025 }, () => descriptor) }, MEDIA.ociManifest],
    [{ ...manifest, artifactType: "a\0b" }, MEDIA.ociManifest],
    [{ ...manifest, subject: { ...descriptor, digest: "x" } }, MEDIA.ociManifest],
    [[], MEDIA.ociManifest],
    [null, MEDIA.ociManifest],
  ];
  for (const [value, type] of bad) assert.throws(() => parseManifest(JSON.stringify(value), type), BadManifest, `${JSON.stringify(value).slice(0, 200)} as ${type}`);
  for (const text of ["", "{", "\0"]) assert.throws(() => parseManifest(text, MEDIA.ociManifest), BadManifest);
});

test("of an index the manifest for this machine is chosen", () => {
  const of = (os: string, architecture: string) => ({ ...descriptor, digest: `${os}/${architecture}`, platform: { os, architecture } });
  const all = [of("windows", "amd64"), of("unknown", "unknown"), of("linux", "arm64"), of("linux", "amd64")];
  assert.equal(choosePlatform(all, "amd64")?.digest, "linux/amd64");
  assert.equal(choosePlatform(all, "arm64")?.digest, "linux/arm64");
  assert.equal(choosePlatform(all, "riscv64"), undefined);
  assert.equal(choosePlatform([descriptor], "amd64"), descriptor, "the only one, which says nothing of its platform");
  assert.equal(choosePlatform([descriptor, descriptor], "amd64"), undefined);
});

test("exposed ports: TCP alone, by number", () => {
  assert.deepEqual(exposedTcpPorts(["9000/tcp", "80", "443/tcp", "53/udp", "80/tcp", "0", "70000", "8000-8010/tcp", "x", ""]), [80, 443, 9000]);
});

test("a token allows what it names, and with «/*» what lies below", () => {
  const claims = { subject: "x", access: [{ type: "repository" as const, name: "alice/*", actions: ["pull" as const] }, { type: "repository" as const, name: "alice/web", actions: ["push" as const] }] };
  assert.ok(allows(claims, "alice/web", "pull"));
  assert.ok(allows(claims, "alice/web/cache", "pull"));
  assert.ok(allows(claims, "alice/web", "push"));
  for (const [repository, action] of [["alice/web", "delete"], ["alice/web/cache", "push"], ["alice", "pull"], ["alicea/web", "pull"], ["bob/web", "pull"]] as const) {
    assert.ok(!allows(claims, repository, action), `${repository} ${action}`);
  }
});
