/** Signing in with a browser, tokens, members, trusts and the operator's commands: the CLI against the real API and a real issuer. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { after, before, describe, it } from "node:test";
import { ensureOperatorToken } from "../../core/db/system-queries/bootstrap.ts";
import { createToken } from "../../core/tokens.ts";
import { storeOperatorToken } from "../../infra/cli-config.ts";
import { ensureNode } from "../../core/db/system-queries/bootstrap.ts";
import { randomName, startTestApi, testBlobs, type TestApi } from "../support/api.ts";
import { BERTH, workplace, type Ran, type Workplace } from "../support/cli-run.ts";
import { Browser, startIssuer, type TestIssuer } from "../support/issuer.ts";
import { startStores, type Stores } from "../support/stores.ts";

let stores: Stores;
let api: TestApi;
let issuer: TestIssuer;
let place: Workplace;
const tenant = randomName("cli");
const ada = { sub: randomName("s"), email: `${randomName("ada")}@example.test`, name: "Ada" };

before(async () => {
  [stores, issuer] = await Promise.all([startStores({ only: ["postgres", "redis"] }), startIssuer()]);
  const oidc = { issuer: new URL(issuer.url), clientId: issuer.clientId, clientSecret: issuer.clientSecret, scopes: "openid email" };
  api = await startTestApi({ databaseUrl: stores.databaseUrl, redisUrl: stores.redisUrl, blobs: testBlobs }, { oidc, signUp: true });
  place = workplace();
  // As infra/up leaves it.
  const operator = createToken();
  await ensureOperatorToken(api.db, operator);
  storeOperatorToken({ HOME: place.home }, api.url, operator);
});
after(async () => {
  place.remove();
  await api.close();
  await stores.stop();
  await issuer.close();
});

const berth = async (...args: string[]): Promise<Ran> => place.run(args);
const ok = async (...args: string[]): Promise<string> => {
  const ran = await berth(...args);
  assert.equal(ran.code, 0, `${args.join(" ")}: ${ran.stderr}`);
  return ran.stdout;
};
const read = async (...args: string[]) => JSON.parse(await ok(...args, "--json")) as any;

/** `berth login --web` as a child; `open` gets the URL that it prints. */
async function webLogin(args: readonly string[], open: (url: string) => Promise<unknown>): Promise<{ code: number | null; lines: string[]; stderr: string }> {
  const child = spawn(BERTH, ["login", "--web", "--api", api.url, ...args], { cwd: place.home, env: place.env, stdio: ["ignore", "pipe", "pipe"] });
  const exited = once(child, "close");
  const lines: string[] = [];
  let stderr = "";
  child.stderr.on("data", (chunk) => (stderr += String(chunk)));
  for await (const line of createInterface({ input: child.stdout })) {
    lines.push(line);
    if (lines.length === 1) await open(line);
  }
  const [code] = (await exited) as [number | null];
  return { code, lines, stderr };
}

const signIn = (user: typeof ada) => async (url: string) => {
  issuer.user = user;
  const { response, location } = await new Browser().follow(url);
  assert.equal(response.status, 200, location?.href);
  assert.match(await response.text(), /go back to your terminal/);
};

describe("berth login --web", () => {
  it("prints the URL in a pipe; the browser brings the token", async () => {
    const nothing = await webLogin([], signIn(ada));
    assert.deepEqual([nothing.code, /belongs to no tenant/.test(nothing.stderr), /--create --tenant/.test(nothing.stderr)], [3, true, true], nothing.stderr);
    const made = await webLogin(["--create", "--tenant", tenant], signIn(ada));
    assert.equal(made.code, 0, made.stderr);
    assert.match(made.lines.join("\n"), new RegExp(`signed in to ${api.url} as ${ada.email} of ${tenant}`));
    assert.match(await ok("whoami"), /role {6}owner/);
    const again = await webLogin(["--json"], async (line) => {
      const { event, url } = JSON.parse(line) as { event: string; url: string };
      assert.equal(event, "open");
      await signIn(ada)(url);
    });
    assert.equal(JSON.parse(again.lines[1] ?? "").tenant.name, tenant);
  });

  it("takes only the sign-in that it began", async () => {
    const { code } = await webLogin([], async (url) => {
      const redirect = new URL(url).searchParams.get("cli_redirect") ?? "";
      assert.match(redirect, /^http:\/\/127\.0\.0\.1:\d+\/callback$/);
      for (const path of ["?code=x&state=wrong", "?code=x", ""]) assert.equal((await fetch(redirect + path)).status, 400);
      await signIn(ada)(url);
    });
    assert.equal(code, 0);
  });

  it("wrong usage is said", async () => {
    for (const args of [["--tenant", "x"], ["--web", "--create"], ["--web", "--token-stdin"]]) assert.equal((await berth("login", ...args)).code, 2, args.join(" "));
  });
});

describe("berth tokens", () => {
  it("makes, lists, rotates and revokes", async () => {
    const token = (await ok("tokens", "create", "ci", "--scopes", "read,deploy", "--expires", "90d", "--quiet")).trim();
    const asCi = await place.run(["whoami", "--json"], { env: { BERTH_API: api.url, BERTH_TOKEN: token } });
    assert.deepEqual(JSON.parse(asCi.stdout).scopes, ["read", "deploy"]);
    const { id } = (await read("tokens", "list")).find((one: { name: string }) => one.name === "ci");
    const table = await ok("tokens", "list");
    assert.match(table, /TOKEN +NAME +KIND +SCOPES/);
    assert.ok(!table.includes(token));
    const fresh = await read("tokens", "rotate", id, "--overlap", "0s");
    assert.match(fresh.token, /^berth_/);
    const old = await place.run(["whoami"], { env: { BERTH_API: api.url, BERTH_TOKEN: token } });
    assert.deepEqual([old.code, /expired/.test(old.stderr)], [3, true]);
    await ok("tokens", "revoke", fresh.id);
    assert.ok(!(await read("tokens", "list")).some((one: { id: string }) => one.id === fresh.id));
    assert.equal((await berth("tokens", "revoke", "tok_x")).code, 4);
    for (const args of [["create", "x"], ["create", "x", "--scopes", "root"], ["create", "x", "--scopes", "read", "--expires", "soon"], ["nonsense"]]) assert.equal((await berth("tokens", ...args)).code, 2, args.join(" "));
  });
});

describe("berth members and trusts", () => {
  it("invites, and who is invited joins with the link", async () => {
    const bob = { sub: randomName("s"), email: `${randomName("bob")}@example.test`, name: "Bob" };
    const link = (await ok("members", "invite", bob.email, "--role", "viewer", "--quiet")).trim();
    assert.match(await ok("members", "list"), new RegExp(`${bob.email} +invited +viewer`));
    const joined = await webLogin(["--invite", link, "--context", "bob"], signIn(bob));
    assert.equal(joined.code, 0, joined.stderr);
    assert.equal((await berth("members", "list", "--context", "bob")).code, 0);
    assert.equal((await berth("members", "invite", "x@example.test", "--context", "bob")).code, 3);
    const own = JSON.parse(await ok("context", "--json")).find((one: { name: string }) => !["bob", "operator"].includes(one.name)).name as string;
    await ok("context", own);
    await ok("members", "role", bob.email, "developer");
    assert.equal((await read("members", "list")).members.find((one: { email: string }) => one.email === bob.email).role, "developer");
    const last = await berth("members", "remove", ada.email);
    assert.deepEqual([last.code, /last owner/.test(last.stderr)], [1, true]);
    await ok("members", "remove", bob.email);
    assert.equal((await berth("whoami", "--context", "bob")).code, 3);
  });

  it("trusts a pipeline, which then works without a stored token", async () => {
    await ok("trusts", "add", "shop", "--issuer", issuer.url, "--claim", "sub=repo:acme/shop:*", "--claim", "ref=main", "--scopes", "read,deploy");
    assert.match(await ok("trusts", "list"), /shop .*ref=main[^]*sub=repo:acme\/shop:\*/);
    const body = new URLSearchParams({ grant_type: "urn:ietf:params:oauth:grant-type:token-exchange", subject_token_type: "urn:ietf:params:oauth:token-type:id_token", audience: tenant, subject_token: await issuer.sign({ sub: "repo:acme/shop:x", ref: "main", aud: "berth" }) });
    const { access_token: token } = (await (await fetch(`${api.url}/v1/token-exchange`, { method: "POST", body })).json()) as { access_token: string };
    assert.equal((await place.run(["apps"], { env: { BERTH_API: api.url, BERTH_TOKEN: token } })).code, 0);
    await ok("trusts", "remove", "shop");
    assert.equal((await place.run(["apps"], { env: { BERTH_API: api.url, BERTH_TOKEN: token } })).code, 3);
    for (const args of [["add", "x"], ["add", "x", "--issuer", issuer.url, "--claim", "nothing", "--scopes", "read"], ["add", "x", "--issuer", "http://x.example", "--claim", "a=b", "--scopes", "read"]]) assert.equal((await berth("trusts", ...args)).code, 2, args.join(" "));
  });
});

describe("berth operator", () => {
  it("makes, limits, suspends and resumes tenants with the host's own token", async () => {
    const name = randomName("op");
    await ok("operator", "plans", "set", "small", "--limit", "apps=5", "--limit", "memoryBytes=2g");
    const made = await read("operator", "tenants", "create", name, "--plan", "small", "--token", "--owner", "boss@example.test");
    assert.match(made.token.token, /^berth_/);
    assert.match(made.invite.link, /\/auth\/login\?invite=/);
    assert.deepEqual((await read("operator", "tenants", "plan", name, "--limit", "apps=9")).limits, { apps: 9 });
    assert.deepEqual((await read("operator", "tenants", "plan", name, "--no-plan", "--limit", "apps=")).plan, null);
    assert.match(await ok("operator", "tenants", "suspend", name), /suspended since/);
    assert.match(await ok("operator", "tenants", "list"), new RegExp(`${name} .*suspended`));
    await ok("operator", "tenants", "resume", name);
    await ensureNode(api.db, "a-node", randomName("token"));
    const [node] = await read("operator", "nodes", "list");
    assert.deepEqual([node.name, node.isUp, node.instances, node.lastSeenAt], ["a-node", false, 0, null]);
    assert.match(await ok("operator", "nodes", "cordon", "a-node"), /takes no more instances; it has none/);
    assert.match(await ok("operator", "nodes", "list"), /a-node +never seen, cordoned/);
    assert.match(await ok("operator", "nodes", "uncordon", "a-node"), /takes instances again/);
    assert.match(await ok("operator", "nodes", "drain", "a-node"), /a-node is drained/);
    assert.deepEqual([(await berth("operator", "nodes", "drain", "no-node")).code, (await read("operator", "nodes", "drain", "a-node")).node.draining], [4, true]);
    assert.deepEqual((await read("operator", "plans", "list")).find((plan: { name: string }) => plan.name === "small").limits, { apps: 5, memoryBytes: 2 * 2 ** 30 });
    await ok("operator", "plans", "remove", "small");
    const second = (await ok("operator", "tokens", "create", "second", "--expires", "1h", "--quiet")).trim();
    assert.equal((await place.run(["operator", "tokens", "list"], { env: { BERTH_API: api.url, BERTH_TOKEN: second } })).code, 0);
    assert.match(await ok("operator", "keys", "rotate"), /signs in ten minutes/);
    assert.equal((await berth("operator", "tenants", "plan", name, "--limit", "nonsense=1")).code, 2);
    const asTenant = await place.run(["operator", "tenants", "list"], { env: { BERTH_API: api.url, BERTH_TOKEN: made.token.token } });
    assert.deepEqual([asTenant.code, /operators/.test(asTenant.stderr)], [3, true]);
    assert.equal((await berth("apps", "--context", "operator")).code, 3, "it opens no tenant");
  });
});
