/**
 * A typed client of Berth's API: `await client.GET("/v1/apps/{app}", { params: { path: { app: "web" } } })`.
 * Types are made from the API's description; paths, parameters, bodies and answers are checked by the compiler.
 * How it is used: `docs/client.md`.
 */
import createFetchClient, { type Client } from "openapi-fetch";
import type { paths } from "./schema.ts";

export type * from "./schema.ts";

export type BerthClient = Client<paths>;

export interface ClientOptions {
  /** Where the API is: `https://berth.example.com`. */
  baseUrl: string;
  /** `berth_…`. */
  token: string;
  /** Another one than the global: for retries, proxies, tests. */
  fetch?: (request: Request) => Promise<Response>;
  /** Names whoever asks in the operator's log. */
  userAgent?: string;
}

export function createClient({ baseUrl, token, fetch, userAgent = "berth-client" }: ClientOptions): BerthClient {
  return createFetchClient<paths>({
    baseUrl,
    headers: { authorization: `Bearer ${token}`, "user-agent": userAgent },
    // A redirect would take the token elsewhere.
    redirect: "error",
    ...(fetch === undefined ? {} : { fetch }),
  });
}
