// needs no root
/** Domains of tenants: nothing is served before a TXT record has shown whose it is; asked of a real name server. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { eq } from "drizzle-orm";
import { openMemoryBlobStore } from "../../core/blob-store/memory.ts";
import type { Domain } from "../../core/contract/domains.ts";
import { readRoutes } from "../../core/db/system-queries/routes.ts";
import { audit, domains, tenants } from "../../core/db/schema.ts";
import { openTxtLookup } from "../../core/dns.ts";
import { startDomains } from "../../workers/domains/loop.ts";
import { randomName, seedApp, startTestApi, type TestApi } from "../support/api.ts";
import { startTestDns, type TestDns } from "../support/dns.ts";
import { startStores, type Stores } from "../support/stores.ts";

let stores: Stores;
let api: TestApi;
let dns: TestDns;

before(async () => {
  stores = await startStores({ only: ["postgres", "redis"] });
  dns = await startTestDns();
  api = await startTestApi({ ...stores, blobs: openMemoryBlobStore() }, { redisPrefix: stores.redisPrefix, migrate: false, lookupTxt: openTxtLookup([dns.server]) });
});
after(async () => {
  await api?.close();
  dns?.close();
  await stores?.stop();
});

async function owner() {
  const tenant = await api.tenant();
  const app = await seedApp(api.db, tenant.id);
  const ask = (method: string, path = "", body?: unknown) => api.call(method, `/v1/apps/${app.name}/domains${path}`, { token: tenant.token, ...(body === undefined ? {} : { body }) });
  return {
    tenant,
    app,
    ask,
    add: async (host: string): Promise<Domain> => {
      const { status, body } = await ask("POST", "", { host });
      assert.equal(status, 201, JSON.stringify(body));
      return body as Domain;
    },
    check: async (host: string): Promise<Domain> => (await ask("POST", `/${host}/check`)).body as Domain,
    served: async () => (await readRoutes(api.db, "berth.localhost", [app.id]))[0]?.hosts.slice(1),
  };
}
const newHost = () => `${randomName("shop")}.acme.com`;

test("a claim says which record to set, and is served once the record is there", async () => {
  const alice = await owner();
  const host = newHost();
  const claim = await alice.add(host.toUpperCase());
  assert.deepEqual([claim.host, claim.verified, claim.record.name, claim.target], [host, false, `_berth.${host}`, `${alice.app.name}-${alice.tenant.name}.berth.localhost`]);
  assert.match((await alice.check(host)).problem ?? "", /has no TXT record, not «berth-verify=/);
  dns.txt.set(claim.record.name, ["v=spf1 -all", "berth-verify=another"]);
  assert.match((await alice.check(host)).problem ?? "", /has the TXT record «v=spf1 -all», «berth-verify=another», not «/);
  assert.deepEqual(await alice.served(), []);
  dns.txt.set(claim.record.name, ["v=spf1 -all", claim.record.value]);
  const proved = await alice.check(host);
  assert.deepEqual([proved.verified, proved.problem], [true, null]);
  assert.deepEqual(await alice.served(), [host]);
  // The record may go: it was seen.
  dns.txt.delete(claim.record.name);
  assert.equal((await alice.check(host)).verified, true);
  const verbs = (await api.db.select().from(audit).where(eq(audit.target, claim.id))).map(({ verb, actor }) => `${verb} ${actor.split(":")[0]}`);
  assert.deepEqual(verbs.toSorted(), ["domain.add token", "domain.verify system"]);
});

test("a domain that is served goes to nobody who cannot prove it, and is locked again when it is given up", async () => {
  const [alice, bob] = [await owner(), await owner()];
  const host = newHost();
  const first = await alice.add(host);
  dns.txt.set(first.record.name, [first.record.value]);
  await alice.check(host);
  const claim = await bob.add(host);
  assert.notEqual(claim.record.value, first.record.value);
  assert.equal((await bob.check(host)).verified, false);
  // Alice's record is there as well: whose it is cannot be told.
  dns.txt.set(first.record.name, [first.record.value, claim.record.value]);
  assert.match((await bob.check(host)).problem ?? "", /another claim/);
  assert.deepEqual([await alice.served(), await bob.served()], [[host], []]);
  assert.equal((await bob.ask("DELETE", `/${host}`)).status, 204);

  assert.equal((await alice.ask("DELETE", `/${host}`)).status, 204);
  assert.deepEqual(await alice.served(), []);
  const again = await alice.add(host);
  assert.equal((await alice.check(host)).verified, false, "the old record proves nothing any more");
  assert.notEqual(again.record.value, first.record.value);
});

test("a domain that changed hands goes to the one whose record is there", async () => {
  const [alice, bob] = [await owner(), await owner()];
  const host = newHost();
  const old = await alice.add(host);
  dns.txt.set(old.record.name, [old.record.value]);
  await alice.check(host);
  const claim = await bob.add(host);
  dns.txt.set(claim.record.name, [claim.record.value]);
  assert.equal((await bob.check(host)).verified, true);
  assert.deepEqual([await alice.served(), await bob.served()], [[], [host]]);
  const lost = (await alice.ask("GET", `/${host}`)).body as Domain;
  assert.deepEqual([lost.verified, lost.problem], [false, "The host was proved to be somebody else's."]);
});

test("DNS that does not answer is said, and nothing is lost", async () => {
  const alice = await owner();
  const host = newHost();
  const claim = await alice.add(host);
  dns.silent.add(claim.record.name);
  assert.match((await alice.check(host)).problem ?? "", /DNS did not answer/);
  dns.silent.delete(claim.record.name);
  dns.txt.set(claim.record.name, [claim.record.value]);
  assert.equal((await alice.check(host)).verified, true);
});

test("what is no domain, is the platform's or is there already is refused; a plan's limit holds for parallel requests", async () => {
  const alice = await owner();
  for (const host of ["acme", "10.1.2.3", "*.acme.com", "web-main.berth.localhost", "https://acme.com"]) {
    const { status, body } = await alice.ask("POST", "", { host });
    assert.deepEqual([status, body.code], [422, "invalid_name"], host);
  }
  const host = newHost();
  await alice.add(host);
  assert.equal((await alice.ask("POST", "", { host })).body.code, "name_taken");
  await api.db.update(tenants).set({ limits: { domains: 3 } }).where(eq(tenants.id, alice.tenant.id));
  const codes = (await Promise.all(Array.from({ length: 6 }, () => alice.ask("POST", "", { host: newHost() })))).map(({ status, body }) => `${status} ${body.code ?? ""}`);
  assert.deepEqual(codes.toSorted(), ["201 ", "201 ", ...Array(4).fill("403 quota_exceeded")]);
  const page = (await alice.ask("GET", "?limit=2")).body as { items: Domain[]; nextCursor: string };
  const rest = (await alice.ask("GET", `?limit=2&cursor=${page.nextCursor}`)).body as { items: Domain[]; nextCursor: null };
  assert.deepEqual([page.items.length, rest.items.length, rest.nextCursor], [2, 1, null]);
});

test("the workers look by themselves until the record is there", async () => {
  const alice = await owner();
  const host = newHost();
  const claim = await alice.add(host);
  const rung: string[] = [];
  const bells = { ring: (_bell: string, id: string) => void rung.push(id) };
  const stop = startDomains({ db: api.db, bells: bells as never, log: api.deps.log, clock: () => new Date(), lookup: openTxtLookup([dns.server]), everyMs: 20 });
  try {
    const until = async (check: (row: typeof domains.$inferSelect) => boolean) => {
      for (const deadline = Date.now() + 10_000; ; await new Promise((resolve) => setTimeout(resolve, 20))) {
        const [row] = await api.db.select().from(domains).where(eq(domains.id, claim.id));
        if (row !== undefined && check(row)) return row;
        assert.ok(Date.now() < deadline, JSON.stringify(row));
      }
    };
    const looked = await until(({ checkedAt }) => checkedAt !== null);
    assert.ok((looked.nextLookAt?.getTime() ?? 0) > Date.now(), "not again at once");
    dns.txt.set(claim.record.name, [claim.record.value]);
    await api.db.update(domains).set({ nextLookAt: new Date() }).where(eq(domains.id, claim.id));
    await until(({ verifiedAt }) => verifiedAt !== null);
  } finally {
    await stop();
  }
  assert.ok(rung.includes(alice.app.id));
  assert.deepEqual(await alice.served(), [host]);
});
