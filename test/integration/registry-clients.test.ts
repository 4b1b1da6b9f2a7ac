/** The registry as the clients that people have use it: docker and podman sign in, push, forget, pull and read back. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { openPodman, startDocker, type Peer } from "../../bench/support/peers.ts";
import { openS3BlobStore } from "../../core/blob-store/s3.ts";
import { run, runUnchecked } from "../../core/host/spawn.ts";
import { startTestApi, type TestApi } from "../support/api.ts";
import { tarOf } from "../support/contexts.ts";
import type { Tenant } from "../support/registry.ts";
import { startStores, type Stores } from "../support/stores.ts";

let stores: Stores;
let api: TestApi;
let alice: Tenant;
let bob: Tenant;
let dir: string;
let docker: Peer | undefined;
let podman: Peer | undefined;

before(async () => {
  dir = mkdtempSync(join(tmpdir(), "berth-clients-"));
  stores = await startStores();
  const blobs = openS3BlobStore({ BERTH_S3_REGION: "us-east-1", BERTH_S3_BUCKET: "berth", BERTH_S3_ACCESS_KEY_ID: "", BERTH_S3_SECRET_ACCESS_KEY: "", ...stores.s3 });
  api = await startTestApi({ databaseUrl: stores.databaseUrl, redisUrl: stores.redisUrl, blobs });
  [alice, bob] = [await api.tenant(), await api.tenant()];
  writeFileSync(join(dir, "root.tar"), await tarOf(["greeting.txt", "hello"], ["large.bin", Buffer.alloc(3 << 20, "x").toString()]));
  docker = await startDocker(join(dir, "docker"));
  podman = await openPodman(join(dir, "podman"), new URL(api.url).host);
});
after(async () => {
  await docker?.stop();
  await podman?.stop();
  await api?.close();
  await stores?.stop();
  rmSync(dir, { recursive: true, force: true });
});

/** Credentials lie in the test's own directory. */
function client(peer: Peer) {
  const auth = join(dir, `${peer.name}-auth`);
  const options = peer.name === "docker" ? ["--config", auth] : [];
  const authfile = peer.name === "docker" ? [] : ["--authfile", `${auth}.json`];
  const call = (verb: string, ...args: string[]) => run(peer.argv(...options, verb, ...(["login", "push", "pull"].includes(verb) ? authfile : []), ...args), { timeoutMs: 60_000 });
  const login = (host: string, token: string) => run(peer.argv(...options, "login", ...authfile, "-u", "berth", "--password-stdin", host), { input: token });
  const refused = (verb: string, ...args: string[]) => runUnchecked(peer.argv(...options, verb, ...authfile, ...args), { timeoutMs: 60_000 });
  return { call, login, refused };
}

for (const name of ["docker", "podman"] as const) {
  test(`${name}: login, push, pull, and nothing of another tenant`, async (t) => {
    const peer = name === "docker" ? docker : podman;
    if (peer === undefined) return t.skip(`${name} does not run on this host`);
    const host = new URL(api.url).host;
    const image = `${host}/${alice.name}/${name}:1`;
    const { call, login, refused } = client(peer);
    await login(host, alice.token);
    await call("import", "--change", 'CMD ["/greet"]', join(dir, "root.tar"), image);
    await call("push", image);
    await call("rmi", image);
    await call("pull", image);
    assert.equal((await call("inspect", "--format", "{{json .Config.Cmd}}", image)).stdout.trim(), '["/greet"]');
    assert.deepEqual((await api.call("GET", `/v2/${alice.name}/${name}/tags/list`, { token: alice.token })).body.tags, ["1"]);

    await login(host, bob.token);
    const foreign = await refused("pull", image);
    assert.notEqual(foreign.code, 0);
    assert.match(foreign.stderr + foreign.stdout, /not found|denied|manifest unknown/i);
  });
}
