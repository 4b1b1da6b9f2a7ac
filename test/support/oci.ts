/** Small images of the test's own, as OCI layouts on disk and as bytes for the registry. */
import { createHash } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { tarOf, type Entry } from "./contexts.ts";

export const digestOf = (bytes: Uint8Array | string) => `sha256:${createHash("sha256").update(bytes).digest("hex")}`;

export interface TestImage {
  layer: Buffer;
  config: Buffer;
  manifest: Buffer;
  layerDigest: string;
  configDigest: string;
  manifestDigest: string;
}

/** One layer with these files. */
export async function imageOf(entries: readonly Entry[], run: Record<string, unknown> = { Cmd: ["/bin/true"] }): Promise<TestImage> {
  const tar = await tarOf(...entries);
  const layer = gzipSync(tar, { level: 1 });
  const config = Buffer.from(
    JSON.stringify({ architecture: process.arch === "arm64" ? "arm64" : "amd64", os: "linux", rootfs: { type: "layers", diff_ids: [digestOf(tar)] }, config: run }),
  );
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: "application/vnd.oci.image.manifest.v1+json",
      config: { mediaType: "application/vnd.oci.image.config.v1+json", digest: digestOf(config), size: config.length },
      layers: [{ mediaType: "application/vnd.oci.image.layer.v1.tar+gzip", digest: digestOf(layer), size: layer.length }],
    }),
  );
  return { layer, config, manifest, layerDigest: digestOf(layer), configDigest: digestOf(config), manifestDigest: digestOf(manifest) };
}

/** Writes the image where skopeo reads it as `oci:<dir>:latest`. */
export function writeLayout(dir: string, image: TestImage): void {
  mkdirSync(join(dir, "blobs/sha256"), { recursive: true });
  for (const bytes of [image.layer, image.config, image.manifest]) writeFileSync(join(dir, "blobs/sha256", digestOf(bytes).slice(7)), bytes);
  writeFileSync(join(dir, "oci-layout"), '{"imageLayoutVersion":"1.0.0"}');
  const descriptor = { mediaType: "application/vnd.oci.image.manifest.v1+json", digest: image.manifestDigest, size: image.manifest.length, annotations: { "org.opencontainers.image.ref.name": "latest" } };
  writeFileSync(join(dir, "index.json"), JSON.stringify({ schemaVersion: 2, manifests: [descriptor] }));
}
