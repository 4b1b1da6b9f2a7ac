/**
 * The digest of all that an image depends on. An upload with the key of the live release needs no build. Null when
 * something cannot be known before building: then it is built, and the layer cache does what it can.
 */
import { createHash } from "node:crypto";

/** Grows when builds of the same input begin to give another image. */
export const BUILD_KEY_VERSION = 2;

export interface BuildInputs {
  dockerfilePath: string;
  dockerfileText: string;
  /** `sha256:…` over the context's paths, modes, links and contents. */
  contextDigest: string;
  buildArgs: Readonly<Record<string, string>>;
  target: string | undefined;
  platform: string;
  /** By the name in the Dockerfile; null: not known. */
  baseDigests: ReadonlyMap<string, string | null>;
  hasRemoteAdd: boolean;
  /** Those that RUN may mount, with the versions of their values. */
  secrets: readonly { name: string; id: string; version: number }[];
}

export function buildKey(inputs: BuildInputs): string | null {
  if (inputs.hasRemoteAdd) return null;
  const bases: [string, string][] = [];
  for (const [ref, digest] of inputs.baseDigests) {
    if (digest === null) return null;
    bases.push([ref, digest]);
  }
  const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");
  // Arrays in a fixed order: the same inputs give the same text.
  const canonical = JSON.stringify([
    ["version", BUILD_KEY_VERSION],
    ["dockerfile", inputs.dockerfilePath, sha256(inputs.dockerfileText)],
    ["context", inputs.contextDigest],
    ["args", Object.entries(inputs.buildArgs).toSorted(byKey)],
    ["target", inputs.target ?? null],
    ["platform", inputs.platform],
    ["bases", bases.toSorted(byKey)],
    ["secrets", inputs.secrets.map(({ name, id, version }): [string, string] => [name, `${id} ${version}`]).toSorted(byKey)],
  ]);
  return `sha256:${sha256(canonical)}`;
}

function byKey([a]: [string, string], [b]: [string, string]): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
