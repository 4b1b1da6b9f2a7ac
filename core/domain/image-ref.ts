/** Names of images as people write them, and where they lie in our registry. */

export interface ImageRef {
  /** Host with port; undefined when none is written. */
  host: string | undefined;
  /** `library/python`, `acme/web`, `python`. */
  path: string;
  tag: string | undefined;
  digest: string | undefined;
}

const PATH = /^[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*$/;
const DOCKER_HUB = new Set(["docker.io", "index.docker.io", "registry-1.docker.io"]);
const SHA256 = /^sha256:[0-9a-f]{64}$/;

/** The parts of a reference, or undefined when it is none. */
export function parseImageRef(text: string): ImageRef | undefined {
  const [name = "", digest, ...more] = text.split("@");
  if (more.length > 0 || (digest !== undefined && !SHA256.test(digest))) return undefined;
  const slash = name.indexOf("/");
  const first = slash === -1 ? "" : name.slice(0, slash);
  const host = first === "localhost" || /[.:]/.test(first) ? first : undefined;
  const rest = host === undefined ? name : name.slice(slash + 1);
  const colon = rest.lastIndexOf(":");
  const path = colon === -1 ? rest : rest.slice(0, colon);
  const tag = colon === -1 ? undefined : rest.slice(colon + 1);
  if (!PATH.test(path) || path.length > 255 || (tag !== undefined && !/^\w[\w.-]{0,127}$/.test(tag))) return undefined;
  return { host, path, tag, digest };
}

/** Where an image is looked for in our registry: its repository and what names it there. */
export interface RegistryPlace {
  repository: string;
  /** A tag, or a digest. */
  reference: string;
}

export interface RegistryView {
  /** Hosts under which our registry is known. */
  hosts: readonly string[];
  tenantName: string;
}

/**
 * The place of a base image: Docker Hub's names are answered by our registry first (`python` is `library/python`).
 * Undefined when our registry does not have such names for this tenant.
 */
export function placeOfBase(ref: ImageRef, view: RegistryView): RegistryPlace | undefined {
  const ours = ref.host !== undefined && view.hosts.includes(ref.host);
  if (ref.host !== undefined && !ours && !DOCKER_HUB.has(ref.host)) return undefined;
  const repository = !ours && !ref.path.includes("/") ? `library/${ref.path}` : ref.path;
  return mayRead(repository, view.tenantName) ? { repository, reference: ref.digest ?? ref.tag ?? "latest" } : undefined;
}

/** The places where an image to deploy is looked for, the first that has it counts: `web` is the tenant's own, then the catalogue's. */
export function placesOfImage(ref: ImageRef, view: RegistryView): RegistryPlace[] {
  if (ref.host !== undefined && !view.hosts.includes(ref.host)) return [];
  const repositories = ref.path.includes("/") ? [ref.path] : [`${view.tenantName}/${ref.path}`, `library/${ref.path}`];
  return repositories.filter((r) => mayRead(r, view.tenantName)).map((repository) => ({ repository, reference: ref.digest ?? ref.tag ?? "latest" }));
}

function mayRead(repository: string, tenantName: string): boolean {
  return repository.startsWith(`${tenantName}/`) || repository.startsWith("library/");
}
