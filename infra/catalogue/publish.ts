/**
 * Puts the base images of `infra/catalogue/make` into this Berth's registry, as `library/<name>`, through the same
 * `/v2` that everybody uses. Sends nothing that is there already.
 */
import { createReadStream } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { z } from "zod";

const DescriptorSchema = z.object({ mediaType: z.string(), digest: z.string().regex(/^sha256:[0-9a-f]{64}$/), size: z.number() });
const IndexSchema = z.object({ manifests: z.array(DescriptorSchema.extend({ annotations: z.record(z.string(), z.string()).default({}) })) });
const ManifestSchema = z.object({ config: DescriptorSchema, layers: z.array(DescriptorSchema) });
const REF_NAME = "org.opencontainers.image.ref.name";

export interface CatalogueOptions {
  /** Directory with `oci/` and `tags`. */
  catalogueDir: string;
  apiUrl: string;
  /** A bearer token that may pull from and push to the repository. */
  token: (repository: string) => Promise<string>;
  say: (line: string) => void;
}

/** Throws when the registry refuses anything. */
export async function publishCatalogue({ catalogueDir, apiUrl, token, say }: CatalogueOptions): Promise<void> {
  const layout = join(catalogueDir, "oci");
  const index = IndexSchema.parse(JSON.parse(await readFile(join(layout, "index.json"), "utf8")));
  const tags = (await readFile(join(catalogueDir, "tags"), "utf8")).trim().split("\n").map((line) => line.split(" "));
  for (const [name = "", ...names] of tags) {
    const image = index.manifests.find((manifest) => manifest.annotations[REF_NAME] === name);
    if (image === undefined) throw new Error(`the layout has no image «${name}»`);
    const repository = `library/${name}`;
    const registry = new Repository(apiUrl, repository, await token(repository));
    const missing: string[] = [];
    for (const tag of new Set(names)) if ((await registry.tagged(tag)) !== image.digest) missing.push(tag);
    if (missing.length > 0) {
      const content = await readFile(blobPath(layout, image.digest));
      const manifest = ManifestSchema.parse(JSON.parse(content.toString("utf8")));
      for (const blob of [...manifest.layers, manifest.config]) await registry.putBlob(blob.digest, blobPath(layout, blob.digest));
      for (const tag of missing) await registry.putManifest(tag, image.mediaType, content);
    }
    say(`library/${name}: ${missing.length === 0 ? "as before" : missing.join(", ")}`);
  }
}

const blobPath = (layout: string, digest: string) => join(layout, "blobs", ...digest.split(":"));

/** The few requests of the distribution protocol that publishing needs. */
class Repository {
  readonly #base: string;
  readonly #headers: Record<string, string>;

  constructor(apiUrl: string, repository: string, token: string) {
    this.#base = `${apiUrl.replace(/\/$/, "")}/v2/${repository}`;
    this.#headers = { authorization: `Bearer ${token}` };
  }

  async tagged(tag: string): Promise<string | undefined> {
    const response = await this.#ask("HEAD", `${this.#base}/manifests/${tag}`, [200, 404], {
      headers: { accept: "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json" },
    });
    return response.status === 200 ? (response.headers.get("docker-content-digest") ?? undefined) : undefined;
  }

  async putBlob(digest: string, path: string): Promise<void> {
    const there = await this.#ask("HEAD", `${this.#base}/blobs/${digest}`, [200, 404], {});
    if (there.status === 200) return;
    const begun = await this.#ask("POST", `${this.#base}/blobs/uploads/`, [202], {});
    const location = new URL(begun.headers.get("location") ?? "", this.#base);
    location.searchParams.set("digest", digest);
    const { size } = await stat(path);
    await this.#ask("PUT", location.href, [201], {
      headers: { "content-type": "application/octet-stream", "content-length": String(size) },
      body: Readable.toWeb(createReadStream(path)) as ReadableStream,
      duplex: "half",
    });
  }

  async putManifest(tag: string, mediaType: string, content: Uint8Array<ArrayBuffer>): Promise<void> {
    await this.#ask("PUT", `${this.#base}/manifests/${tag}`, [201], { headers: { "content-type": mediaType }, body: content });
  }

  async #ask(method: string, url: string, expected: readonly number[], init: RequestInit & { duplex?: "half" }): Promise<Response> {
    const response = await fetch(url, { ...init, method, redirect: "manual", headers: { ...init.headers, ...this.#headers } });
    if (expected.includes(response.status)) {
      await response.arrayBuffer();
      return response;
    }
    throw new Error(`${method} ${url} was answered with ${response.status}: ${(await response.text()).slice(0, 500)}`);
  }
}
