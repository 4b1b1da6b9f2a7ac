/** Build secrets: there for the step that mounts them, and in nothing that the build leaves behind. */
import assert from "node:assert/strict";
import { createReadStream } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { gunzipSync } from "node:zlib";
import { eq } from "drizzle-orm";
import { run, runUnchecked } from "../../core/host/spawn.ts";
import { audit, builds, secretVersions } from "../../core/db/schema.ts";
import { startBuildWorld, type BuildWorld, type TestWorker } from "../support/build-world.ts";

let world: BuildWorld;
let worker: TestWorker;
before(async () => {
  world = await startBuildWorld();
  worker = await world.startWorker();
});
after(() => world?.stop());

const set = async (path: string, value: string) => {
  const { status, body } = await world.api.call("PUT", path, { token: world.tenant.token, body: { kind: "build", value } });
  assert.ok(status < 300, JSON.stringify(body));
};
const refused = async (app: string, dockerfile: string) => {
  const error = await world.upload(app, [["Dockerfile", dockerfile]]).then(() => undefined, (reason: unknown) => String(reason));
  return error ?? "taken";
};
const outputOf = async (build: Parameters<BuildWorld["log"]>[0]) => (await world.log(build)).map(({ text }) => text).join("\n");

const SHARED = "shared-5c1d9e-value";
const OWN = "own-e7f3a1-value\nsecond-b6c2d8-line";
const DOCKERFILE = `FROM busybox
RUN --mount=type=secret,id=npm [ "$(cat /run/secrets/npm)" = "${SHARED.split("").join('""')}" ] && stat -c '%a %u' /run/secrets/npm && cat /run/secrets/npm && base64 /run/secrets/npm
RUN --mount=type=secret,id=key,target=/root/key,mode=0444,uid=5,required test "$(stat -c '%a %u' /root/key)" = '444 5' && cat /root/key && cp /root/key /dev/shm/
RUN --mount=type=secret,id=npm,env=TOKEN --mount=type=secret,id=not-there,env=OTHER echo "as a variable \${#TOKEN} \${OTHER-unset}" && echo "$TOKEN"
RUN echo "after: $(ls -A /run/secrets) \${TOKEN-unset} $(cat /proc/[0-9]*/environ 2>/dev/null | tr '\\0' '\\n' | grep -c -e 5c1d[9]e -e e7f3[a]1)" && cat /proc/1/root/run/berth-secrets/npm; test ! -s /root/key
CMD ["httpd", "-f"]
`;

test("a step reads what it mounts; layers, configuration, cache, log, database and store have none of it", async () => {
  const before = new Set(await storedFiles());
  await set("/v1/secrets/npm", SHARED);
  await set("/v1/secrets/key", "not this one");
  await world.api.call("POST", "/v1/apps", { token: world.tenant.token, body: { name: "web" } });
  await set("/v1/apps/web/secrets/key", OWN);
  const { build } = await world.deploy("web", [["Dockerfile", DOCKERFILE]]);
  const output = await outputOf(build);
  assert.equal(build.state, "succeeded", `${JSON.stringify(build.failure)}\n${output}`);
  for (const line of ["400 0", "***", `as a variable ${SHARED.length} unset`, "after:  unset 0"]) assert.ok(output.split("\n").includes(line), `«${line}» is not in:\n${output}`);
  assert.match(output, /can't open '\/proc\/1\/root\/run\/berth-secrets\/npm': Permission denied/);

  const needles = ["5c1d9e", "e7f3a1", "b6c2d8", Buffer.from(SHARED).toString("base64").slice(0, 16), Buffer.from(OWN).toString("base64").slice(0, 16)];
  const hits = (text: string) => needles.filter((needle) => text.includes(needle));
  assert.deepEqual(hits(output), []);
  assert.deepEqual(hits(worker.output()), [], "the worker's log");
  const { stdout: dump } = await run(["pg_dump", "--inserts", world.stores.databaseUrl]);
  assert.ok(dump.includes("secret.set"), "the dump has the audit");
  // The Dockerfile itself compares with the value, cut into pieces.
  assert.deepEqual(hits(dump), [], "the database");
  assert.deepEqual(await hitsInStore(needles, before), [], "the blob store: layers, configurations, cache, archived log");
  const archived = await world.api.db.select().from(audit);
  assert.deepEqual(hits(JSON.stringify(archived)), []);
  // What the build left on its tenant's disk: buildah's store with the cache.
  const left = ["nsenter", `--mount=/proc/${worker.pid}/ns/mnt`, "--", "grep", "-rlaF", "--exclude=disk.img"];
  const disk = join(world.dir, "worker/tenants", world.tenant.id, "mnt");
  assert.notEqual((await runUnchecked([...left, "-e", "berth", disk])).stdout, "", "the disk can be read");
  assert.equal((await runUnchecked([...left, ...needles.flatMap((needle) => ["-e", needle]), world.dir])).stdout, "");
});

const storedFiles = async () => (await run(["find", join(world.stores.dir, "s3"), "-type", "f"])).stdout.split("\n").filter((path) => path !== "");

/** Names of new objects that hold one of these, unpacked where they are compressed. */
async function hitsInStore(needles: readonly string[], before: ReadonlySet<string>): Promise<string[]> {
  const found: string[] = [];
  const paths = (await storedFiles()).filter((path) => !before.has(path));
  assert.ok(paths.length > 5, "the store has files");
  for (const path of paths) {
    const chunks: Buffer[] = [];
    for await (const chunk of createReadStream(path)) chunks.push(chunk as Buffer);
    const bytes = Buffer.concat(chunks);
    const text = (bytes[0] === 0x1f && bytes[1] === 0x8b ? gunzipSync(bytes) : bytes).toString("latin1");
    if (needles.some((needle) => text.includes(needle))) found.push(path);
  }
  return found;
}

test("another value makes the same upload another build; without a change it is live already", async () => {
  const dockerfile = "FROM busybox\nRUN --mount=type=secret,id=npm cat /run/secrets/npm >/dev/null\nCMD [\"true\"]\n";
  const keyOfUpload = async () => {
    const { build } = await world.upload("keyed", [["Dockerfile", dockerfile]]);
    const [row] = await world.api.db.select({ key: builds.buildKey }).from(builds).where(eq(builds.id, build?.id as never));
    return row?.key ?? null;
  };
  const first = await keyOfUpload();
  assert.notEqual(first, null);
  assert.equal(await keyOfUpload(), first);
  await set("/v1/secrets/npm", "another-value");
  const changed = await keyOfUpload();
  assert.notEqual(changed, first);
  await set("/v1/secrets/unrelated", "does not matter");
  assert.equal(await keyOfUpload(), changed);
});

test("what is required and not there is said at once, with its line; what cannot be opened ends the build", async () => {
  const wanted = "FROM busybox\nRUN --mount=type=secret,id=nowhere,required true\n";
  assert.match(await refused("missing", wanted), /build_secret_missing.*Dockerfile, line 2: There is no secret «nowhere»/s);
  assert.match(await refused("missing", 'FROM busybox\nRUN --mount=type=secret,id=npm,env=A ["x"]\n'), /dockerfile_unsupported.*line 2/s);
  await set("/v1/secrets/broken", "cannot be opened");
  const [row] = (await world.api.call("GET", "/v1/secrets", { token: world.tenant.token })).body.items.filter((one: { name: string }) => one.name === "broken");
  assert.ok(row);
  await world.api.db.update(secretVersions).set({ keyId: "lost" });
  const { build } = await world.deploy("broken", [["Dockerfile", "FROM busybox\nRUN --mount=type=secret,id=broken true\n"]]);
  assert.deepEqual([build.state, build.failure?.code], ["failed", "secrets_unavailable"]);
});
