/** Reading manifests: what may be stored, and what may be run. Pure. Source: OCI image-spec 1.1, Docker schema 2. */
import { z } from "zod";
import { DigestSchema } from "../contract/release-config.ts";

export const MEDIA = {
  ociManifest: "application/vnd.oci.image.manifest.v1+json",
  ociIndex: "application/vnd.oci.image.index.v1+json",
  dockerManifest: "application/vnd.docker.distribution.manifest.v2+json",
  dockerList: "application/vnd.docker.distribution.manifest.list.v2+json",
} as const;

/** Printable, so that it can be stored and sent as a header everywhere. */
const MediaTypeSchema = z.string().max(255).regex(/^[\x21-\x7e]*$/, "is not a media type");

const DescriptorSchema = z.looseObject({
  mediaType: MediaTypeSchema,
  digest: DigestSchema,
  size: z.number().int().nonnegative(),
  platform: z.looseObject({ os: z.string(), architecture: z.string() }).optional(),
});
export type Descriptor = z.infer<typeof DescriptorSchema>;

const Base = { schemaVersion: z.literal(2), mediaType: MediaTypeSchema.optional(), artifactType: MediaTypeSchema.optional(), subject: DescriptorSchema.optional() };
const ManifestSchema = z.looseObject({ ...Base, config: DescriptorSchema, layers: z.array(DescriptorSchema).max(1024), manifests: z.never().optional() });
const IndexSchema = z.looseObject({ ...Base, manifests: z.array(DescriptorSchema).max(1024), config: z.never().optional(), layers: z.never().optional() });

export type ParsedManifest = ({ kind: "manifest" } & z.infer<typeof ManifestSchema>) | ({ kind: "index" } & z.infer<typeof IndexSchema>);

/** The text is not a manifest that all clients read alike. */
export class BadManifest extends Error {}

/** Reads a manifest or index; what could be read as both, or says another type than it is sent with, is refused. @throws BadManifest */
export function parseManifest(text: string, mediaType: string): ParsedManifest {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw new BadManifest("it is not JSON");
  }
  const isIndex = mediaType === MEDIA.ociIndex || mediaType === MEDIA.dockerList;
  if (!isIndex && mediaType !== MEDIA.ociManifest && mediaType !== MEDIA.dockerManifest) throw new BadManifest(`the media type «${mediaType}» is not one of an image`);
  const parsed = isIndex ? IndexSchema.safeParse(json) : ManifestSchema.safeParse(json);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new BadManifest(`${issue?.path.join(".") ?? ""}: ${issue?.message ?? ""}`);
  }
  if (parsed.data.mediaType !== undefined && parsed.data.mediaType !== mediaType) {
    throw new BadManifest(`it says that it is «${parsed.data.mediaType}» and was sent as «${mediaType}»`);
  }
  return (isIndex ? { kind: "index", ...parsed.data } : { kind: "manifest", ...parsed.data }) as ParsedManifest;
}

/** The manifest for a Linux machine of this architecture, as Go names it (`amd64`, `arm64`). */
export function choosePlatform(manifests: readonly Descriptor[], architecture: string): Descriptor | undefined {
  return manifests.find(({ platform }) => platform?.os === "linux" && platform.architecture === architecture) ?? (manifests.length === 1 && !manifests[0]?.platform ? manifests[0] : undefined);
}
