/** A small client of the registry for tests. */
import assert from "node:assert/strict";
import type { TestApi } from "./api.ts";
import { digestOf, type TestImage } from "./oci.ts";

export type Tenant = Awaited<ReturnType<TestApi["tenant"]>>;

export interface Ask {
  token?: string;
  body?: Uint8Array | string;
  headers?: Record<string, string>;
}

export const basic = (token: string) => `Basic ${Buffer.from(`anybody:${token}`).toString("base64")}`;

export const errorCode = async (response: Response) => ((await response.json()) as { errors: { code: string }[] }).errors[0]?.code;

export function registryClient(url: string) {
  const ask = (method: string, path: string, options: Ask = {}): Promise<Response> =>
    fetch(url + path, {
      method,
      headers: { ...(options.token === undefined ? {} : { authorization: `Bearer ${options.token}` }), ...options.headers },
      ...(options.body === undefined ? {} : { body: typeof options.body === "string" ? options.body : new Uint8Array(options.body) }),
    });

  /** A bearer token as Docker's clients get it. */
  const tokenFor = async (tenant: Tenant | undefined, ...scopes: string[]): Promise<string> => {
    const query = scopes.map((scope) => `scope=${encodeURIComponent(scope)}`).join("&");
    const response = await ask("GET", `/v2/token?service=berth-registry&${query}`, { headers: tenant ? { authorization: basic(tenant.token) } : {} });
    assert.equal(response.status, 200);
    return ((await response.json()) as { token: string }).token;
  };

  const pushBlob = async (tenant: Tenant, repository: string, bytes: Uint8Array): Promise<string> => {
    const token = await tokenFor(tenant, `repository:${repository}:pull,push`);
    const response = await ask("POST", `/v2/${repository}/blobs/uploads/?digest=${digestOf(bytes)}`, { token, body: bytes });
    assert.equal(response.status, 201, await response.text());
    return token;
  };

  const pushImage = async (tenant: Tenant, repository: string, tag: string, image: TestImage): Promise<void> => {
    for (const blob of [image.layer, image.config]) await pushBlob(tenant, repository, blob);
    const headers = { "content-type": "application/vnd.oci.image.manifest.v1+json" };
    const response = await ask("PUT", `/v2/${repository}/manifests/${tag}`, { token: tenant.token, body: image.manifest, headers });
    assert.equal(response.status, 201, await response.text());
  };

  /** The path of a new upload. */
  const begin = async (repository: string, token: string): Promise<string> => {
    const response = await ask("POST", `/v2/${repository}/blobs/uploads/`, { token });
    assert.equal(response.status, 202, await response.text());
    return response.headers.get("location") ?? "";
  };

  return { ask, tokenFor, pushBlob, pushImage, begin };
}
