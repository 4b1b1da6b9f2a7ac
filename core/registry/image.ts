/** From a reference in the registry to what running the image needs. */
import { and, eq } from "drizzle-orm";
import { z } from "zod";
import { BlobNotFound, type BlobStore } from "../blob-store/blob-store.ts";
import { blobKey } from "../blob-store/keys.ts";
import { AppError } from "../contract/errors.ts";
import { DIGEST, DigestSchema, ImageSchema, type Image } from "../contract/release-config.ts";
import type { Db } from "../db/client.ts";
import { manifests, tags } from "../db/schema.ts";
import { checkBlobs } from "../db/system-queries/registry.ts";
import { BadManifest, choosePlatform, parseManifest, type ParsedManifest } from "./manifest.ts";

const CONFIG_MAX_BYTES = 4 * 2 ** 20;
/** What nodes are told of an image, for each instance: one image must not fill the channel that all share. */
const TEXTS_MAX_CHARS = 65_536;
const VOLUMES_MAX = 64;
const ARCHITECTURES: Record<string, string> = { x64: "amd64", arm64: "arm64" };

/** What nodes can unpack. */
const LAYER_TYPE = /^application\/vnd\.(oci\.image\.layer\.v1\.tar(\+gzip|\+zstd)?|docker\.image\.rootfs\.diff\.tar(\.gzip)?)$/;

const strings = z.array(z.string()).nullish();
const ConfigSchema = z.looseObject({
  os: z.string().nullish(),
  architecture: z.string().nullish(),
  rootfs: z.object({ type: z.literal("layers"), diff_ids: z.array(DigestSchema) }),
  config: z
    .looseObject({
      Entrypoint: strings,
      Cmd: strings,
      Env: strings,
      WorkingDir: z.string().nullish(),
      User: z.string().nullish(),
      ExposedPorts: z.record(z.string(), z.unknown()).nullish(),
      Volumes: z.record(z.string(), z.unknown()).nullish(),
      StopSignal: z.string().nullish(),
    })
    .nullish(),
});

export interface ImageStores {
  db: Db;
  blobs: BlobStore;
}

/** `reference`: a tag or a digest. @throws AppError image_not_found, image_invalid */
export async function loadImage(stores: ImageStores, repository: string, reference: string): Promise<Image> {
  const architecture = ARCHITECTURES[process.arch] ?? process.arch;
  const first = await readManifest(stores.db, repository, reference);
  const { digest, manifest } = first.manifest.kind === "index" ? await descend(stores.db, repository, first.manifest, architecture) : first;
  if (manifest.kind !== "manifest") throw new AppError("image_invalid", `${repository}: an index within an index cannot be run.`);
  await checkParts(stores.db, repository, manifest);
  const config = await readConfig(stores.blobs, manifest.config.digest);
  const platform = `${config.os || "linux"}/${config.architecture || architecture}`;
  if (platform !== `linux/${architecture}`) throw new AppError("image_invalid", `${repository}: the image is made for ${platform}, not for linux/${architecture}.`);
  const diffIds = config.rootfs.diff_ids;
  if (diffIds.length !== manifest.layers.length) {
    throw new AppError("image_invalid", `${repository}: the manifest has ${manifest.layers.length} layers, the config ${diffIds.length}.`);
  }
  const run = config.config ?? {};
  const image = ImageSchema.safeParse({
    manifestDigest: digest,
    layers: manifest.layers.map((layer, index) => ({ digest: layer.digest, diffId: diffIds[index], sizeBytes: layer.size, mediaType: layer.mediaType })),
    entrypoint: run.Entrypoint ?? [],
    cmd: run.Cmd ?? [],
    env: run.Env ?? [],
    workingDir: run.WorkingDir ?? "",
    user: run.User ?? "",
    exposedPorts: exposedTcpPorts(Object.keys(run.ExposedPorts ?? {})),
    volumes: Object.keys(run.Volumes ?? {}),
    stopSignal: run.StopSignal || "SIGTERM",
  });
  if (!image.success) throw new AppError("image_invalid", `${repository}: ${z.prettifyError(image.error)}`);
  const texts = Object.values(image.data).flat().filter((value) => typeof value === "string");
  if (texts.reduce((sum, text) => sum + text.length, 0) > TEXTS_MAX_CHARS || image.data.volumes.length > VOLUMES_MAX) {
    throw new AppError("image_invalid", `${repository}: the image's config has more than ${TEXTS_MAX_CHARS} characters of ENTRYPOINT, CMD, ENV and the like, or more than ${VOLUMES_MAX} volumes.`);
  }
  if (texts.some((text) => text.includes("\0"))) throw new AppError("image_invalid", `${repository}: the image's config has a NUL byte.`);
  return image.data;
}

/** `8080/tcp` and `8080` count, in ascending order; ranges and other protocols do not. */
export function exposedTcpPorts(exposed: readonly string[]): number[] {
  const ports = exposed.flatMap((entry) => {
    const port = Number(/^(\d{1,5})(?:\/tcp)?$/.exec(entry)?.[1]);
    return port >= 1 && port <= 65_535 ? [port] : [];
  });
  return [...new Set(ports)].toSorted((a, b) => a - b);
}

async function descend(db: Db, repository: string, index: Extract<ParsedManifest, { kind: "index" }>, architecture: string) {
  const chosen = choosePlatform(index.manifests, architecture);
  if (!chosen) throw new AppError("image_invalid", `${repository}: the image is not made for linux/${architecture}.`);
  return readManifest(db, repository, chosen.digest);
}

async function readManifest(db: Db, repository: string, reference: string): Promise<{ digest: string; manifest: ParsedManifest }> {
  const digest = DIGEST.test(reference) ? reference : await resolveTag(db, repository, reference);
  const [row] = digest === undefined ? [] : await db.select().from(manifests).where(and(eq(manifests.repository, repository), eq(manifests.digest, digest)));
  if (!row) throw new AppError("image_not_found", `There is no image ${repository}${DIGEST.test(reference) ? "@" : ":"}${reference} in the registry.`);
  try {
    return { digest: row.digest, manifest: parseManifest(row.content.toString("utf8"), row.mediaType) };
  } catch (error) {
    if (error instanceof BadManifest) throw new AppError("image_invalid", `${repository}: ${error.message}.`, { cause: error });
    throw error;
  }
}

/** The digest that a tag points to now. */
export async function resolveTag(db: Db, repository: string, tag: string): Promise<string | undefined> {
  const [row] = await db.select({ digest: tags.digest }).from(tags).where(and(eq(tags.repository, repository), eq(tags.tag, tag)));
  return row?.digest;
}

/** All of it must be in the repository still, and be something that nodes can unpack. */
async function checkParts(db: Db, repository: string, { config, layers }: Extract<ParsedManifest, { kind: "manifest" }>): Promise<void> {
  const strange = layers.find(({ mediaType }) => !LAYER_TYPE.test(mediaType));
  if (strange) throw new AppError("image_invalid", `${repository}: a layer of the type ${strange.mediaType} cannot be unpacked.`);
  if (config.size > CONFIG_MAX_BYTES) throw new AppError("image_invalid", "The image's config is larger than 4 MiB.");
  const { missing, misSized } = await checkBlobs(db, repository, [config, ...layers]);
  const [wrong] = [...missing, ...misSized];
  if (wrong !== undefined) throw new AppError("image_invalid", `${repository}: ${wrong} is ${missing.length > 0 ? "no longer there" : "of another size"}: push the image again.`);
}

async function readConfig(blobs: BlobStore, digest: string): Promise<z.infer<typeof ConfigSchema>> {
  const { body } = await blobs.get(blobKey(digest)).catch((error: unknown) => {
    throw error instanceof BlobNotFound ? new AppError("image_invalid", `${digest} is no longer there: push the image again.`, { cause: error }) : error;
  });
  const chunks: Buffer[] = [];
  for await (const chunk of body) chunks.push(chunk as Buffer);
  const parsed = ConfigSchema.safeParse(parseJson(Buffer.concat(chunks).toString("utf8")));
  if (!parsed.success) throw new AppError("image_invalid", `The image's config is not one of a container: ${z.prettifyError(parsed.error)}`);
  return parsed.data;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
