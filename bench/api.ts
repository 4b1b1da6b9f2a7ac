/**
 * What the API does at 100 tenants of 100 apps each: reads and deployments a second with their latency, beside a bare
 * Hono handler with one SELECT on the same database, and how much one tenant notices of another one's flood. Prints one
 * JSON object. Alternates the peers, takes medians: compare the ratios, not the figures.
 */
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { sql } from "drizzle-orm";
import { newId, type TenantId } from "../core/contract/ids.ts";
import { SettingsSchema } from "../core/contract/release-config.ts";
import { openDb, type Db } from "../core/db/client.ts";
import { createToken, ensureTenant } from "../core/db/system-queries/bootstrap.ts";
import { apps } from "../core/db/schema.ts";
import { start } from "../core/host/spawn.ts";
import { startApiProcess } from "../test/support/api-process.ts";
import { startStores } from "../test/support/stores.ts";
import { atEnd, endAll } from "./support/at-end.ts";
import { median, percentile, timed } from "./support/measure.ts";
import { wrk, type Round } from "./support/wrk.ts";

const TENANTS = Number(process.env["BERTH_BENCH_TENANTS"] ?? 100);
const APPS = Number(process.env["BERTH_BENCH_TENANT_APPS"] ?? 100);
const ROUNDS = Number(process.env["BERTH_BENCH_ROUNDS"] ?? 5);
const SECONDS = Number(process.env["BERTH_BENCH_SECONDS"] ?? 3);
const CONNECTIONS = 32;
const DEPLOYS = 300;
const DEPLOYS_AT_ONCE = 8;
/** Of the tenant that is asked about while another floods. */
const ASKS = Number(process.env["BERTH_BENCH_ASKS"] ?? 300);
const ASK_EVERY_MS = 20;
const FLOOD_CONNECTIONS = 64;

interface Seeded {
  id: TenantId;
  token: string;
}

async function seed(db: Db): Promise<Seeded[]> {
  const tenants: Seeded[] = [];
  for (let at = 0; at < TENANTS; at++) {
    const { id } = await ensureTenant(db, `bench${at}`);
    tenants.push({ id, token: (await createToken(db, id, { name: "bench" })).token });
    const settings = SettingsSchema.parse({});
    await db.insert(apps).values(Array.from({ length: APPS }, (_, n) => ({ id: newId("app"), tenantId: id, name: `app${n}`, settings })));
  }
  // All may deploy as often as the machine can; one may ask as often as it is going to, and one floods soon.
  await db.execute(sql`update tenants set limits = '{"apps": 100000, "buildsQueued": 100000, "storageBytes": 1000000000000}'`);
  await db.execute(sql`update tenants set limits = limits || '{"requestsMinute": 1000000}' where id = ${tenants[1]?.id}`);
  await db.execute(sql`update tenants set limits = limits || '{"requestsMinute": 200}' where id = ${tenants[0]?.id}`);
  await db.execute(sql`analyze`);
  return tenants;
}

async function startBare(databaseUrl: string, tenantId: string) {
  const child = start([process.execPath, new URL("support/bare-api.ts", import.meta.url).pathname, databaseUrl, tenantId], { stdio: ["ignore", "pipe", "inherit"] });
  for await (const line of createInterface({ input: child.stdout! })) return { url: `http://127.0.0.1:${(JSON.parse(line) as { port: number }).port}`, stop: () => child.kill("SIGKILL") };
  throw new Error("the bare handler did not start");
}

async function deploy(url: string, { token }: Seeded, name: string, marker: string): Promise<number> {
  const { ms, value } = await timed(async () => {
    const response = await fetch(`${url}/v1/apps/${name}/deployments`, {
      method: "POST",
      headers: { authorization: `Bearer ${token}`, "content-type": "text/x-dockerfile" },
      body: `FROM busybox\nLABEL marker=${marker}\nCMD ["true"]\n`,
    });
    await response.arrayBuffer();
    return response.status;
  });
  if (value !== 202) throw new Error(`a deployment was answered with ${value}`);
  return ms;
}

async function measureDeploys(url: string, tenants: readonly Seeded[]): Promise<Round> {
  const times: number[] = [];
  let next = 0;
  const began = performance.now();
  const lane = async () => {
    for (let at = next++; at < DEPLOYS; at = next++) times.push(await deploy(url, tenants[at % tenants.length] as Seeded, `app${at % APPS}`, String(at)));
  };
  await Promise.all(Array.from({ length: DEPLOYS_AT_ONCE }, lane));
  return { requestsPerSecond: (DEPLOYS * 1000) / (performance.now() - began), p50Ms: percentile(times, 50), p99Ms: percentile(times, 99) };
}

/** One tenant's latency at a steady pace. */
async function steadily(url: string, { token }: Seeded): Promise<number[]> {
  const times: number[] = [];
  for (let at = 0; at < ASKS; at++) {
    const { ms, value } = await timed(async () => {
      const response = await fetch(`${url}/v1/apps/app1`, { headers: { authorization: `Bearer ${token}` } });
      await response.arrayBuffer();
      return response.status;
    });
    if (value !== 200) throw new Error(`an app was answered with ${value}`);
    times.push(ms);
    await sleep(Math.max(0, ASK_EVERY_MS - ms));
  }
  return times;
}

async function measureFlood(url: string, flooding: Seeded, quiet: Seeded) {
  await steadily(url, quiet);
  const alone = await steadily(url, quiet);
  const authorization = `Bearer ${flooding.token}`;
  const flood = start(["wrk", "-t1", `-c${FLOOD_CONNECTIONS}`, "-d600s", "-H", `authorization: ${authorization}`, `${url}/v1/apps?limit=50`], { stdio: "ignore" });
  atEnd(() => flood.kill("SIGKILL"));
  // Until then it uses what it may, and is served.
  while ((await fetch(`${url}/v1/apps/app1`, { headers: { authorization } })).status !== 429) await sleep(100);
  const beside = await steadily(url, quiet);
  flood.kill("SIGKILL");
  const of = (times: readonly number[]) => ({ p50Ms: percentile(times, 50), p99Ms: percentile(times, 99) });
  return { alone: of(alone), beside: of(beside), p50Ratio: percentile(beside, 50) / percentile(alone, 50), p99Ratio: percentile(beside, 99) / percentile(alone, 99) };
}

try {
  const stores = await startStores();
  atEnd(() => stores.stop());
  const { db, close } = openDb(stores.databaseUrl, { name: "bench", max: 2 });
  const tenants = await seed(db);
  await close();
  const [first, second] = tenants as [Seeded, Seeded];
  const startApi = async (rateLimits: string) => {
    const api = await startApiProcess({ ...stores.env, BERTH_PUBLIC_URL: "http://127.0.0.1:7070", BERTH_APPS_URL: "http://berth.localhost:8080", BERTH_LOG_LEVEL: "info", BERTH_RATE_LIMITS: rateLimits });
    const stop = async () => {
      api.child.kill("SIGKILL");
      await api.ended;
    };
    atEnd(stop);
    return { url: `http://127.0.0.1:${api.port}`, stop };
  };
  const api = await startApi("off");
  const bare = await startBare(stores.databaseUrl, first.id);
  atEnd(bare.stop);

  const headers = { authorization: `Bearer ${first.token}` };
  const reads = { app: [`${api.url}/v1/apps/app7`, `${bare.url}/app/app7`], list: [`${api.url}/v1/apps?limit=50`, `${bare.url}/apps`] } as const;
  const rounds: Record<string, Round[]> = {};
  for (let round = 0; round < ROUNDS; round++) {
    console.error(`reads, round ${round + 1}`);
    for (const [name, [ours, theirs]] of Object.entries(reads)) {
      (rounds[name] ??= []).push(await wrk(ours, { seconds: SECONDS, connections: CONNECTIONS, headers }));
      (rounds[`${name}, bare`] ??= []).push(await wrk(theirs, { seconds: SECONDS, connections: CONNECTIONS }));
    }
  }
  const of = (name: string): Round => {
    const all = rounds[name] ?? [];
    return { requestsPerSecond: median(all.map((round) => round.requestsPerSecond)), p50Ms: median(all.map((round) => round.p50Ms)), p99Ms: median(all.map((round) => round.p99Ms)) };
  };
  console.error("deployments");
  const deploys = await measureDeploys(api.url, tenants);
  await api.stop();
  console.error("one tenant beside another one's flood");
  const limited = await startApi("on");
  const flood = await measureFlood(limited.url, first, second);
  console.log(JSON.stringify({
    tenants: TENANTS,
    appsPerTenant: APPS,
    ratios: {
      appToBareRequestsPerSecond: of("app").requestsPerSecond / of("app, bare").requestsPerSecond,
      listToBareRequestsPerSecond: of("list").requestsPerSecond / of("list, bare").requestsPerSecond,
      p99BesideAFloodToAlone: flood.p99Ratio,
    },
    figures: { ...Object.fromEntries(Object.keys(rounds).map((name) => [name, of(name)])), deploy: deploys },
    flood,
  }, (_key, value: unknown) => (typeof value === "number" ? Number(value.toPrecision(4)) : value), 2));
} finally {
  await endAll();
}
process.exit(0);
