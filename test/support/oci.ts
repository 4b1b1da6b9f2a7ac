/** Small images of the test's own, as OCI layouts on disk and as bytes for the registry. */
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync, gzipSync } from "node:zlib";
import { extract } from "tar-stream";
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

/** What an image's config says of running it. */
export interface RunConfig {
  Entrypoint?: string[] | null;
  Cmd?: string[] | null;
  Env?: string[] | null;
  WorkingDir?: string;
  User?: string;
  ExposedPorts?: Record<string, unknown> | null;
  Volumes?: Record<string, unknown> | null;
  StopSignal?: string;
}

/** An image of a layout on disk, by its tag. */
export function layoutImage(layout: string, tag: string) {
  const blob = (digest: string) => readFileSync(join(layout, "blobs/sha256", digest.slice("sha256:".length)));
  const parse = <T>(bytes: Buffer) => JSON.parse(bytes.toString("utf8")) as T;
  const index = parse<{ manifests: { digest: string; annotations: Record<string, string> }[] }>(readFileSync(join(layout, "index.json")));
  const found = index.manifests.find(({ annotations }) => annotations["org.opencontainers.image.ref.name"] === tag);
  if (found === undefined) throw new Error(`${layout} has no image «${tag}»`);
  const manifest = parse<{ config: { digest: string }; layers: { digest: string; mediaType: string; size: number }[] }>(blob(found.digest));
  const configBytes = blob(manifest.config.digest);
  const config = parse<{ rootfs: { diff_ids: string[] }; config?: RunConfig }>(configBytes);
  const layers = manifest.layers.map(({ digest, mediaType, size }, at) => ({ digest, mediaType, sizeBytes: size, diffId: config.rootfs.diff_ids[at] ?? "", bytes: blob(digest) }));
  return { digest: found.digest, layers, config: configBytes, run: config.config ?? {} };
}

/** A file out of a gzipped layer, by any of its names: all but the first are hard links. */
export async function memberOf(layer: Buffer, name: string): Promise<Buffer> {
  const reader = extract();
  reader.end(gunzipSync(layer));
  const plain = (path: string) => path.replace(/^\.?\//, "");
  const files = new Map<string, Buffer>();
  for await (const entry of reader) {
    const chunks: Buffer[] = [];
    for await (const chunk of entry) chunks.push(chunk as Buffer);
    const { type, linkname } = entry.header;
    const content = type === "link" ? files.get(plain(linkname ?? "")) : Buffer.concat(chunks);
    if (content !== undefined) files.set(plain(entry.header.name), content);
  }
  const found = files.get(name);
  if (found === undefined) throw new Error(`the layer has no file «${name}»`);
  return found;
}
