/** Manifests, tags, referrers, catalog. */
import { createHash } from "node:crypto";
import type { Context } from "hono";
import { DIGEST } from "../../core/contract/release-config.ts";
import * as rows from "../../core/db/system-queries/registry.ts";
import { BadManifest, MEDIA, parseManifest, type ParsedManifest } from "../../core/registry/manifest.ts";
import type { RegistryClaims } from "../../core/registry/token.ts";
import type { ApiEnv } from "../deps.ts";
import { auditOf } from "./audit.ts";
import type { RegistryDeps } from "./auth.ts";
import { checkDigest } from "./blobs.ts";
import { readBody } from "./body.ts";
import { RegistryError } from "./errors.ts";

type Ctx = Context<ApiEnv>;

const MAX_MANIFEST_BYTES = 4 * 2 ** 20;
const TAG = /^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$/;
const PAGE = 1000;
/** Most bytes of manifests that are read for one page of referrers. */
const REFERRERS_PAGE_BYTES = MAX_MANIFEST_BYTES;

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

export async function putManifest(deps: RegistryDeps, c: Ctx, repository: string, text: string, claims: RegistryClaims): Promise<Response> {
  const reference = parseReference(text);
  const content = await readBody(c, MAX_MANIFEST_BYTES);
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
    auditOf(c, claims, repository, "image.push", text),
  );
  const headers: Record<string, string> = { location: `/v2/${repository}/manifests/${digest}`, "docker-content-digest": digest };
  if (manifest.subject) headers["oci-subject"] = manifest.subject.digest;
  return new Response(null, { status: 201, headers });
}

export async function deleteManifest(deps: RegistryDeps, c: Ctx, repository: string, text: string, claims: RegistryClaims): Promise<Response> {
  const reference = parseReference(text);
  const audit = auditOf(c, claims, repository, "image.delete", text);
  const gone = "tag" in reference ? await rows.deleteTag(deps.db, repository, reference.tag, audit) : await rows.deleteManifest(deps.db, repository, reference.digest, audit);
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

/** The repositories that the token may read. */
export async function listCatalog(deps: RegistryDeps, c: Ctx, claims: RegistryClaims): Promise<Response> {
  const { limit, last } = page(c);
  const readable = claims.access.filter(({ actions }) => actions.includes("pull")).map(({ name }) => name);
  const repositories = limit === 0 ? [] : await rows.listRepositories(deps.db, readable, last, limit);
  return c.json({ repositories }, 200, nextLink("/v2/_catalog", repositories, limit));
}

export async function listReferrers(deps: RegistryDeps, c: Ctx, repository: string, digest: string): Promise<Response> {
  checkDigest(digest);
  const { artifactType } = c.req.query();
  const candidates = await rows.listReferrers(deps.db, repository, digest, { artifactType: artifactType && printable(artifactType), after: page(c).last, limit: PAGE + 1 });
  const digests = firstPage(candidates, REFERRERS_PAGE_BYTES, PAGE);
  const manifests = (await rows.findManifests(deps.db, repository, digests)).map((row) => {
    const { annotations } = JSON.parse(row.content.toString("utf8")) as { annotations?: Record<string, string> };
    return { mediaType: row.mediaType, digest: row.digest, size: row.content.length, ...(row.artifactType ? { artifactType: row.artifactType } : {}), ...(annotations ? { annotations } : {}) };
  });
  const headers: Record<string, string> = { "content-type": MEDIA.ociIndex, ...(artifactType === undefined ? {} : { "oci-filters-applied": "artifactType" }) };
  const last = digests.at(-1);
  if (last !== undefined && digests.length < candidates.length) {
    const query = new URLSearchParams({ ...(artifactType === undefined ? {} : { artifactType }), last });
    headers["link"] = `</v2/${repository}/referrers/${digest}?${query}>; rel="next"`;
  }
  return new Response(JSON.stringify({ schemaVersion: 2, mediaType: MEDIA.ociIndex, manifests }), { headers });
}

/** As many as fit into the bytes, but one at least. Pure. */
export function firstPage(candidates: readonly { digest: string; sizeBytes: number }[], maxBytes: number, maxCount: number): string[] {
  let bytes = 0;
  const digests: string[] = [];
  for (const { digest, sizeBytes } of candidates.slice(0, maxCount)) {
    bytes += sizeBytes;
    if (bytes > maxBytes && digests.length > 0) break;
    digests.push(digest);
  }
  return digests;
}

function parse(text: string, mediaType: string): ParsedManifest {
  try {
    return parseManifest(text, mediaType);
  } catch (error) {
    if (error instanceof BadManifest) throw new RegistryError("MANIFEST_INVALID", error.message);
    throw error;
  }
}

/** All that a manifest names must be in the same repository, and as large as it says. */
async function checkReferences(deps: RegistryDeps, repository: string, manifest: ParsedManifest): Promise<void> {
  const { missing, misSized } =
    manifest.kind === "index"
      ? { missing: await rows.missingManifests(deps.db, repository, manifest.manifests.map((each) => each.digest)), misSized: [] }
      : await rows.checkBlobs(deps.db, repository, [manifest.config, ...manifest.layers]);
  if (missing.length > 0) throw new RegistryError("MANIFEST_BLOB_UNKNOWN", `${repository} lacks ${missing.slice(0, 5).join(", ")}`);
  if (misSized.length > 0) throw new RegistryError("MANIFEST_INVALID", `another size than said: ${misSized.slice(0, 5).join(", ")}`);
}

function page(c: Ctx): { limit: number; last: string } {
  const { n, last = "" } = c.req.query();
  return { limit: /^\d+$/.test(n ?? "") ? Math.min(Number(n), PAGE) : PAGE, last: printable(last) };
}

/** PostgreSQL takes no NUL, and no name has one. */
const printable = (text: string) => text.replaceAll("\0", "");

function nextLink(path: string, items: readonly string[], limit: number): Record<string, string> {
  const last = items.at(-1);
  return last !== undefined && items.length === limit ? { link: `<${path}?n=${limit}&last=${encodeURIComponent(last)}>; rel="next"` } : {};
}
