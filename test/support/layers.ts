/** Layers as a store has them. */
import { createHash } from "node:crypto";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import type { ImageLayer } from "../../core/contract/release-config.ts";
import { layoutImage } from "./oci.ts";
import { cacheDir } from "./stores.ts";

const TAR = "application/vnd.oci.image.layer.v1.tar";

export const digestOf = (bytes: Uint8Array) => `sha256:${createHash("sha256").update(bytes).digest("hex")}`;

/** A layer and its bytes as they are stored. */
export interface TestLayer extends ImageLayer {
  bytes: Buffer;
}

/** `wrong`: what the manifest says otherwise than it is. */
export function layerOf(tar: Buffer, wrong: Partial<TestLayer> = {}): TestLayer {
  const bytes = gzipSync(tar, { level: 1 });
  return { digest: digestOf(bytes), diffId: digestOf(tar), sizeBytes: bytes.length, mediaType: `${TAR}+gzip`, bytes, ...wrong };
}

/** Layers of an image of the catalogue. */
export function catalogue(name: string): TestLayer[] {
  return layoutImage(join(cacheDir(), "catalogue/oci"), name).layers;
}

/** The catalogue's busybox: one layer, every applet in /bin. */
export function busybox(): TestLayer {
  return catalogue("busybox")[0] as TestLayer;
}
