/** Manifests, tags, referrers, catalog. */
import { createHash } from "node:crypto";
import type { Context } from "hono";
import { DIGEST } from "../../core/contract/release-config.ts";
import * as rows from "../../core/db/system-queries/registry.ts";
import { BadManifest, MEDIA, parseManifest, type ParsedManifest } from "../../core/registry/manifest.ts";
import type { RegistryClaims } from "../../core/registry/token.ts";
import type { ApiEnv } from "../deps.ts";
import type { RegistryDeps } from "./auth.ts";
import { RegistryError } from "./errors.ts";

type Ctx = Context<ApiEnv>;

const MAX_MANIFEST_BYTES = 4 * 2 ** 20;
const TAG = /^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$/;
const PAGE = 1000;

type Reference = { digest: string } | { tag: string };

function parseReference(text: string): Reference {
  if (DIGEST.test(text)) return { digest: text };
  if (TAG.test(text)) return { tag: text };
  throw new RegistryError(text.includes(":") ? "DIGEST_INVALID" : "MANIFEST_INVALID", `«${text}» is neither a tag nor a sha256 digest`);
}

export async function getManifest(deps: RegistryDeps, c: Ctx, repository: string, text: string): Promise<Response> {
  const row = await rows.findManifest(deps.db, repository, parseReference(text));
  if (!row) throw new RegistryError("MANIFEST_UNKNOWN", `there is no manifest ${text} in ${repository}`);
  const headers = { "content-type": row.mediaType, "content-length": String(row.content.length), "docker-content-digest": row.digest, etag: `"${row.digest}"` };
  return new Response(c.req.method === "HEAD" ? null : new Uint8Array(row.content), { headers });
}

export async function putManifest(deps: RegistryDeps, c: Ctx, repository: string, text: string): Promise<Response> {
  const reference = parseReference(text);
  const content = await readBody(c);
  const digest = `sha256:${createHash("sha256").update(content).digest("hex")}`;
  if ("digest" in reference && reference.digest !== digest) throw new RegistryError("DIGEST_INVALID", `the manifest has the digest ${digest}`);
  const mediaType = (c.req.header("content-type") ?? "").split(";")[0]?.trim() ?? "";
  const manifest = parse(content.toString("utf8"), mediaType);
  await checkReferences(deps, repository, manifest);
  await rows.putManifest(
    deps.db,
    {
      repository,
      digest,
      mediaType,
      content,
      subjectDigest: manifest.subject?.digest ?? null,
      artifactType: manifest.artifactType ?? (manifest.kind === "manifest" ? manifest.config.mediaType : null),
    },
    "tag" in reference ? reference.tag : undefined,
  );
  const headers: Record<string, string> = { location: `/v2/${repository}/manifests/${digest}`, "docker-content-digest": digest };
  if (manifest.subject) headers["oci-subject"] = manifest.subject.digest;
  return new Response(null, { status: 201, headers });
}

export async function deleteManifest(deps: RegistryDeps, _c: Ctx, repository: string, text: string): Promise<Response> {
  const reference = parseReference(text);
  const gone = "tag" in reference ? await rows.deleteTag(deps.db, repository, reference.tag) : await rows.deleteManifest(deps.db, repository, reference.digest);
  if (!gone) throw new RegistryError("MANIFEST_UNKNOWN", `there is no manifest ${text} in ${repository}`);
  return new Response(null, { status: 202 });
}

export async function listTags(deps: RegistryDeps, c: Ctx, repository: string): Promise<Response> {
  const { limit, last } = page(c);
  const tags = limit === 0 ? [] : await rows.listTags(deps.db, repository, last, limit);
  if (tags.length === 0 && last === "" && !(await rows.repositoryExists(deps.db, repository))) {
    throw new RegistryError("NAME_UNKNOWN", `there is no repository ${repository}`);
  }
  return c.json({ name: repository, tags }, 200, nextLink(`/v2/${repository}/tags/list`, tags, limit));
}

/** The repositories of the caller's tenant. */
export async function listCatalog(deps: RegistryDeps, c: Ctx, claims: RegistryClaims): Promise<Response> {
  const { limit, last } = page(c);
  const own = claims.access.find(({ name, actions }) => name.endsWith("/*") && actions.includes("push"))?.name.slice(0, -1);
  const repositories = own === undefined || limit === 0 ? [] : await rows.listRepositories(deps.db, own, last, limit);
  return c.json({ repositories }, 200, nextLink("/v2/_catalog", repositories, limit));
}

export async function listReferrers(deps: RegistryDeps, c: Ctx, repository: string, digest: string): Promise<Response> {
  if (!DIGEST.test(digest)) throw new RegistryError("DIGEST_INVALID", "a digest is «sha256:» and 64 hexadecimal digits");
  const { artifactType } = c.req.query();
  const found = (await rows.listReferrers(deps.db, repository, digest)).filter((row) => artifactType === undefined || row.artifactType === artifactType);
  const manifests = found.map((row) => {
    const { annotations } = JSON.parse(row.content.toString("utf8")) as { annotations?: Record<string, string> };
    return { mediaType: row.mediaType, digest: row.digest, size: row.content.length, ...(row.artifactType ? { artifactType: row.artifactType } : {}), ...(annotations ? { annotations } : {}) };
  });
  const headers = { "content-type": MEDIA.ociIndex, ...(artifactType === undefined ? {} : { "oci-filters-applied": "artifactType" }) };
  return new Response(JSON.stringify({ schemaVersion: 2, mediaType: MEDIA.ociIndex, manifests }), { headers });
}

async function readBody(c: Ctx): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of (c.req.raw.body ?? []) as AsyncIterable<Uint8Array>) {
    size += chunk.length;
    if (size > MAX_MANIFEST_BYTES) throw new RegistryError("SIZE_INVALID", "a manifest has at most 4 MiB");
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function parse(text: string, mediaType: string): ParsedManifest {
  try {
    return parseManifest(text, mediaType);
  } catch (error) {
    if (error instanceof BadManifest) throw new RegistryError("MANIFEST_INVALID", error.message);
    throw error;
  }
}

/** All that a manifest names must be in the same repository. */
async function checkReferences(deps: RegistryDeps, repository: string, manifest: ParsedManifest): Promise<void> {
  const missing =
    manifest.kind === "index"
      ? await rows.missingManifests(deps.db, repository, manifest.manifests.map((each) => each.digest))
      : await rows.missingBlobs(deps.db, repository, [...new Set([manifest.config.digest, ...manifest.layers.map((each) => each.digest)])]);
  if (missing.length > 0) throw new RegistryError("MANIFEST_BLOB_UNKNOWN", `${repository} lacks ${missing.slice(0, 5).join(", ")}`);
}

function page(c: Ctx): { limit: number; last: string } {
  const { n, last = "" } = c.req.query();
  return { limit: /^\d+$/.test(n ?? "") ? Math.min(Number(n), PAGE) : PAGE, last };
}

function nextLink(path: string, items: readonly string[], limit: number): Record<string, string> {
  const last = items.at(-1);
  return last !== undefined && items.length === limit ? { link: `<${path}?n=${limit}&last=${encodeURIComponent(last)}>; rel="next"` } : {};
}
