/**
 * The registry: OCI distribution 1.1 over the blob store and PostgreSQL, for Docker, podman, skopeo and buildah.
 * Source: https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md
 */
import { Hono, type Context } from "hono";
import { BlobStoreUnavailable } from "../../core/blob-store/blob-store.ts";
import type { RegistryAction, RegistryClaims } from "../../core/registry/token.ts";
import type { ApiEnv } from "../deps.ts";
import { toAppError } from "../problems.ts";
import { CATALOG_SCOPE, demand, giveToken, readClaims, type RegistryDeps } from "./auth.ts";
import * as blobs from "./blobs.ts";
import { RegistryError } from "./errors.ts";
import * as manifests from "./manifests.ts";
import * as uploads from "./uploads.ts";

type Ctx = Context<ApiEnv>;
type Handler = (deps: RegistryDeps, c: Ctx, repository: string, reference: string, claims: RegistryClaims) => Promise<Response>;

interface Route {
  /** Of the distribution specification, with `{repository}` and `{reference}`. */
  name: string;
  /** First group: the repository; second: digest, tag or upload id. */
  path: RegExp;
  methods: Record<string, [RegistryAction, Handler]>;
}

const NAME = "[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)+";
const MAX_NAME = 255;

/** A repository's name has slashes, so paths are taken apart here rather than by the router. */
export const REGISTRY_ROUTES: readonly Route[] = [
  {
    name: "/v2/{repository}/blobs/uploads/",
    path: new RegExp(`^/v2/(${NAME})/blobs/uploads/?$`),
    methods: { POST: ["push", (deps, c, repository, _none, claims) => uploads.postUpload(deps, c, repository, claims)] },
  },
  {
    name: "/v2/{repository}/blobs/uploads/{reference}",
    path: new RegExp(`^/v2/(${NAME})/blobs/uploads/([^/]+)$`),
    methods: { GET: ["push", uploads.getUpload], PATCH: ["push", uploads.patchUpload], PUT: ["push", uploads.putUpload], DELETE: ["push", uploads.deleteUpload] },
  },
  {
    name: "/v2/{repository}/blobs/{reference}",
    path: new RegExp(`^/v2/(${NAME})/blobs/([^/]+)$`),
    methods: { GET: ["pull", blobs.getBlob], HEAD: ["pull", blobs.getBlob], DELETE: ["delete", blobs.deleteBlob] },
  },
  {
    name: "/v2/{repository}/manifests/{reference}",
    path: new RegExp(`^/v2/(${NAME})/manifests/([^/]+)$`),
    methods: { GET: ["pull", manifests.getManifest], HEAD: ["pull", manifests.getManifest], PUT: ["push", manifests.putManifest], DELETE: ["delete", manifests.deleteManifest] },
  },
  { name: "/v2/{repository}/tags/list", path: new RegExp(`^/v2/(${NAME})/tags/list$`), methods: { GET: ["pull", manifests.listTags] } },
  { name: "/v2/{repository}/referrers/{reference}", path: new RegExp(`^/v2/(${NAME})/referrers/([^/]+)$`), methods: { GET: ["pull", manifests.listReferrers] } },
];

export function createRegistry(deps: RegistryDeps): Hono<ApiEnv> {
  const app = new Hono<ApiEnv>();
  app.all("/v2/*", (c) => answer(deps, c));
  app.all("/v2", (c) => answer(deps, c));
  return app;
}

async function answer(deps: RegistryDeps, c: Ctx): Promise<Response> {
  const response = await dispatch(deps, c).catch((error: unknown) => toRegistryError(deps, c, error).toResponse());
  response.headers.set("docker-distribution-api-version", "registry/2.0");
  return response;
}

async function dispatch(deps: RegistryDeps, c: Ctx): Promise<Response> {
  const { path, method } = c.req;
  if (path === "/v2/token") return giveToken(deps, c);
  if (path === "/v2/" || path === "/v2") {
    await readClaims(deps, c, undefined);
    return c.json({});
  }
  if (path === "/v2/_catalog" && method === "GET") return manifests.listCatalog(deps, c, await readClaims(deps, c, CATALOG_SCOPE));
  for (const route of REGISTRY_ROUTES) {
    const [matched, repository = "", reference = ""] = route.path.exec(path) ?? [];
    if (matched === undefined) continue;
    if (repository.length > MAX_NAME) throw new RegistryError("NAME_INVALID", `a repository's name has at most ${MAX_NAME} characters`);
    const entry = route.methods[method];
    if (!entry) throw new RegistryError("UNSUPPORTED", `${method} is not offered here`, { allow: Object.keys(route.methods).join(", ") });
    const [action, handler] = entry;
    const claims = await readClaims(deps, c, `repository:${repository}:${action === "push" ? "pull,push" : action}`);
    demand(deps, claims, repository, action);
    return handler(deps, c, repository, decoded(reference), claims);
  }
  throw new RegistryError("NAME_INVALID", "a repository is named «<tenant>/<app>», in lower case");
}

function decoded(reference: string): string {
  try {
    return decodeURIComponent(reference);
  } catch {
    throw new RegistryError("NAME_INVALID", "the path is not encoded as URLs are");
  }
}

function toRegistryError(deps: RegistryDeps, c: Ctx, error: unknown): RegistryError {
  if (error instanceof RegistryError) return error;
  if (error instanceof BlobStoreUnavailable) return new RegistryError("UNAVAILABLE", error.message, { "retry-after": "2" });
  const known = toAppError(error);
  if (known.status === 503) return new RegistryError("UNAVAILABLE", known.message, { "retry-after": "2" });
  if (known.code === "quota_exceeded") return new RegistryError("DENIED", known.message);
  deps.log.error({ requestId: c.get("requestId"), err: error }, "the registry failed");
  return new RegistryError("UNKNOWN", "something broke on our side");
}
