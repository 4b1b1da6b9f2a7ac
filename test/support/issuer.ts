/** An OIDC issuer of a test's own: a real HTTP server that signs with jose. People sign in there, and pipelines get tokens of it. */
import { createHash, randomBytes, randomUUID } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { exportJWK, generateKeyPair, SignJWT, type CryptoKey, type JWK, type JWTHeaderParameters } from "jose";

export interface IssuerUser {
  sub: string;
  email: string;
  email_verified?: boolean;
  name?: string;
}

export interface TestIssuer {
  url: string;
  clientId: string;
  clientSecret: string;
  /** Who signs in next; undefined: the person says no. */
  user: IssuerUser | undefined;
  /** Changes what the next ID tokens say. */
  tamper: (claims: Record<string, unknown>) => Record<string, unknown>;
  /** Answers everything with 500. */
  isBroken: boolean;
  /** Paths that were asked. */
  asked: string[];
  /** What discovery says beside the usual. */
  metadata: Record<string, unknown>;
  keys: JWK[];
  /** A token of a pipeline. */
  sign(claims: Record<string, unknown>, header?: Partial<JWTHeaderParameters>, key?: CryptoKey | Uint8Array): Promise<string>;
  /** From now on it signs with a new key; the old one is published no more. */
  rotate(): Promise<void>;
  privateKey(): CryptoKey;
  kid(): string;
  close(): Promise<void>;
}

interface Grant {
  challenge: string;
  nonce: string;
  redirectUri: string;
  user: IssuerUser;
}

const ALG = "RS256";

export async function startIssuer(): Promise<TestIssuer> {
  const grants = new Map<string, Grant>();
  let key: CryptoKey;
  let kid = "";
  const server = createServer((request, response) => {
    handle(request, response).catch((error: unknown) => response.writeHead(500).end(String(error)));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const now = () => Math.floor(Date.now() / 1000);

  const issuer: TestIssuer = {
    url,
    clientId: "berth",
    clientSecret: randomBytes(16).toString("hex"),
    user: undefined,
    tamper: (claims) => claims,
    isBroken: false,
    asked: [],
    metadata: {},
    keys: [],
    sign: (claims, header = {}, signer = key) =>
      new SignJWT({ iss: url, iat: now(), exp: now() + 300, ...claims }).setProtectedHeader({ alg: ALG, kid, typ: "JWT", ...header }).sign(signer),
    rotate: async () => {
      const pair = await generateKeyPair(ALG, { extractable: true });
      key = pair.privateKey;
      kid = randomUUID();
      issuer.keys = [{ ...(await exportJWK(pair.publicKey)), kid, alg: ALG, use: "sig" }];
    },
    privateKey: () => key,
    kid: () => kid,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  await issuer.rotate();

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const at = new URL(request.url ?? "/", url);
    issuer.asked.push(at.pathname);
    const json = (status: number, body: unknown) => void response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
    if (issuer.isBroken) return json(500, { error: "server_error" });
    if (at.pathname === "/.well-known/openid-configuration") {
      return json(200, {
        issuer: url,
        authorization_endpoint: `${url}/authorize`,
        token_endpoint: `${url}/token`,
        jwks_uri: `${url}/keys`,
        response_types_supported: ["code"],
        subject_types_supported: ["public"],
        id_token_signing_alg_values_supported: [ALG],
        code_challenge_methods_supported: ["S256"],
        ...issuer.metadata,
      });
    }
    if (at.pathname === "/keys") return json(200, { keys: issuer.keys });
    if (at.pathname === "/authorize") return authorize(at.searchParams, response);
    if (at.pathname === "/token") return token(request, json);
    return json(404, {});
  }

  function authorize(query: URLSearchParams, response: ServerResponse): void {
    const back = new URL(query.get("redirect_uri") ?? "");
    back.searchParams.set("state", query.get("state") ?? "");
    if (issuer.user === undefined) back.searchParams.set("error", "access_denied");
    else {
      const code = randomBytes(16).toString("hex");
      if (query.get("code_challenge_method") !== "S256" || query.get("response_type") !== "code") throw new Error("no PKCE");
      grants.set(code, { challenge: query.get("code_challenge") ?? "", nonce: query.get("nonce") ?? "", redirectUri: query.get("redirect_uri") ?? "", user: issuer.user });
      back.searchParams.set("code", code);
    }
    response.writeHead(302, { location: back.href }).end();
  }

  async function token(request: IncomingMessage, json: (status: number, body: unknown) => void): Promise<void> {
    let text = "";
    for await (const chunk of request) text += String(chunk);
    const form = new URLSearchParams(text);
    const basic = Buffer.from((request.headers.authorization ?? "").replace(/^Basic /, ""), "base64").toString();
    const grant = grants.get(form.get("code") ?? "");
    grants.delete(form.get("code") ?? "");
    if (basic !== `${issuer.clientId}:${issuer.clientSecret}`) return json(401, { error: "invalid_client" });
    const challenge = createHash("sha256").update(form.get("code_verifier") ?? "").digest("base64url");
    if (grant === undefined || grant.challenge !== challenge || grant.redirectUri !== form.get("redirect_uri")) return json(400, { error: "invalid_grant" });
    const claims = issuer.tamper({ aud: issuer.clientId, nonce: grant.nonce, email_verified: true, ...grant.user });
    return json(200, { access_token: randomUUID(), token_type: "Bearer", expires_in: 60, id_token: await issuer.sign(claims) });
  }
  return issuer;
}

/** A browser: keeps cookies, and follows redirects one by one. */
export class Browser {
  readonly jar = new Map<string, string>();

  /** One request; cookies are kept as their `Set-Cookie` says. */
  async ask(url: string, init: RequestInit = {}): Promise<Response> {
    const { pathname } = new URL(url);
    const cookies = [...this.jar].filter(([key]) => pathname.startsWith(key.split(" ")[1] ?? "/")).map(([key, value]) => `${key.split(" ")[0]}=${value}`);
    const headers = new Headers(init.headers);
    if (cookies.length > 0) headers.set("cookie", cookies.join("; "));
    const response = await fetch(url, { redirect: "manual", ...init, headers });
    for (const line of response.headers.getSetCookie()) {
      const [, name = "", value = ""] = /^([^=]+)=([^;]*)/.exec(line) ?? [];
      const path = /;\s*path=([^;]+)/i.exec(line)?.[1] ?? "/";
      if (/max-age=0\b/i.test(line) || value === "") this.jar.delete(`${name} ${path}`);
      else this.jar.set(`${name} ${path}`, value);
    }
    return response;
  }

  /** Follows redirects until there is none, or until one leads to where `stop` says. */
  async follow(url: string, stop: (location: URL) => boolean = () => false): Promise<{ response: Response; location: URL | undefined }> {
    let at = url;
    for (let hops = 0; hops < 10; hops++) {
      const response = await this.ask(at);
      const next = response.headers.get("location");
      if (next === null) return { response, location: undefined };
      const location = new URL(next, at);
      if (stop(location)) return { response, location };
      await response.body?.cancel();
      at = location.href;
    }
    throw new Error("too many redirects");
  }

  cookie(name: string): string | undefined {
    return [...this.jar].find(([key]) => key.startsWith(`${name} `))?.[1];
  }
}
