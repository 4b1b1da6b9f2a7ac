/** Builds for real: stores, an API with its registry, base images, and workers as processes of their own. */
import { randomInt } from "node:crypto";
import { chmodSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ChildProcess } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { run, start } from "../../core/host/spawn.ts";
import type { BuildLogEntry } from "../../core/contract/build-log.ts";
import type { Build, DeployConfig, Deployment } from "../../core/contract/api.ts";
import { openS3BlobStore } from "../../core/blob-store/s3.ts";
import { platformToken } from "../../core/registry/token.ts";
import { makeKeyFile, openKeyFile } from "../../core/secrets/key-file.ts";
import { secretsOf } from "../../core/secrets/secrets.ts";
import { REPOSITORY, type BerthConfig } from "../../infra/config.ts";
import { killSandboxes, removeFromHost } from "../../infra/teardown.ts";
import { publishCatalogue } from "../../infra/catalogue/publish.ts";
import { startTestApi, type TestApi } from "./api.ts";
import { tarOf, type Entry } from "./contexts.ts";
import { passedEnv } from "./env.ts";
import { cacheDir, startStores, type Stores } from "./stores.ts";

export interface TestWorker {
  pid: number;
  /** Its log so far. */
  output(): string;
  kill(): Promise<void>;
  stop(): Promise<void>;
}

export interface BuiltDeployment {
  deployment: Deployment;
  build: Build;
}

export interface BuildWorld {
  api: TestApi;
  stores: Stores;
  dir: string;
  /** Prefix of everything that the first worker makes in the host's network. */
  netPrefix: string;
  tenant: { id: string; name: string; token: string };
  /** `data`: directory of the worker; another one is another worker with an empty disk. */
  startWorker(env?: Record<string, string>, data?: string): Promise<TestWorker>;
  upload(app: string, context: readonly Entry[] | Buffer, config?: Partial<DeployConfig>, token?: string): Promise<Deployment>;
  /** Waits until the deployment's build has ended. */
  built(deployment: Deployment, token?: string): Promise<BuiltDeployment>;
  deploy(app: string, context: readonly Entry[] | Buffer, config?: Partial<DeployConfig>, token?: string): Promise<BuiltDeployment>;
  /** The build's whole log. */
  log(build: Build, token?: string): Promise<BuildLogEntry[]>;
  stop(): Promise<void>;
}

const BUILD_TIMEOUT_MS = 120_000;

export async function startBuildWorld(): Promise<BuildWorld> {
  const env = { ...passedEnv(), BERTH_CACHE: cacheDir() };
  await run([join(REPOSITORY, "infra/toolchain/make")], { env, timeoutMs: 600_000 });
  await run([join(REPOSITORY, "infra/catalogue/make")], { env, timeoutMs: 600_000 });
  const dir = mkdtempSync(join(tmpdir(), "berth-builds-"));
  chmodSync(dir, 0o711);
  const stores = await startStores();
  const blobs = openS3BlobStore({ BERTH_S3_REGION: "us-east-1", BERTH_S3_BUCKET: "berth", BERTH_S3_ACCESS_KEY_ID: "", BERTH_S3_SECRET_ACCESS_KEY: "", ...stores.s3 });
  const keyFile = join(dir, "keys.json");
  makeKeyFile(keyFile, "test");
  const api = await startTestApi({ databaseUrl: stores.databaseUrl, redisUrl: stores.redisUrl, blobs }, { redisPrefix: stores.redisPrefix, secrets: secretsOf(openKeyFile(keyFile)) });
  await publishCatalogue({ catalogueDir: join(cacheDir(), "catalogue"), apiUrl: api.url, token: (repository) => platformToken(api.db, repository), say: () => {} });
  const tenant = await api.tenant();
  const netPrefix = `t${randomInt(36 ** 3).toString(36).padStart(3, "0")}`;
  const subnet = `10.${150 + randomInt(50)}.0.0/16`;
  const workers: TestWorker[] = [];

  const call = async <T>(path: string, token: string): Promise<T> => {
    const { status, body } = await api.call("GET", path, { token });
    if (status !== 200) throw new Error(`${path} was answered with ${status}: ${JSON.stringify(body)}`);
    return body as T;
  };
  const world: BuildWorld = {
    api,
    stores,
    dir,
    netPrefix,
    tenant,
    startWorker: async (more = {}, data = "worker") => {
      mkdirSync(join(dir, data), { recursive: true, mode: 0o711 });
      const worker = await startWorkerProcess({
        ...env,
        ...stores.env,
        BERTH_API_URL: api.url,
        BERTH_DATA: dir,
        BERTH_WORKER_DATA: join(dir, data),
        BERTH_TOOLCHAIN: join(cacheDir(), "toolchain/root"),
        BERTH_TOOLCHAIN_BIN: join(cacheDir(), "toolchain/bin"),
        BERTH_NET_PREFIX: netPrefix,
        BERTH_BUILD_SUBNET: subnet,
        BERTH_BUILD_DISK_BYTES: String(4 * 2 ** 30),
        BERTH_REGISTRY_DOCKER_IO: "off",
        BERTH_SECRET_KEYS_FILE: keyFile,
        BERTH_WORKER_ROLES: "build",
        ...more,
      });
      workers.push(worker);
      return worker;
    },
    upload: async (app, context, config = {}, token = tenant.token) => {
      const body = Buffer.isBuffer(context) ? context : await tarOf(...context);
      const response = await fetch(`${api.url}/v1/apps/${app}/deployments`, {
        method: "POST",
        headers: { authorization: `Bearer ${token}`, "content-type": "application/x-tar", "berth-config": JSON.stringify(config) },
        body: new Uint8Array(body),
      });
      const answer = (await response.json()) as Deployment;
      if (response.status >= 300) throw new Error(`the upload was answered with ${response.status}: ${JSON.stringify(answer)}`);
      return answer;
    },
    built: async ({ id }, token = tenant.token) => {
      for (const deadline = Date.now() + BUILD_TIMEOUT_MS; ; await sleep(20)) {
        const deployment = await call<Deployment>(`/v1/deployments/${id}`, token);
        const { build } = deployment;
        if (build !== null && !["queued", "running"].includes(build.state)) return { deployment, build };
        if (Date.now() > deadline) throw new Error(`the build did not end: ${JSON.stringify(deployment)}\n${workers.map((worker) => worker.output()).join("\n")}`);
      }
    },
    deploy: async (app, context, config, token) => world.built(await world.upload(app, context, config, token), token),
    log: async (build, token = tenant.token) => {
      const response = await fetch(`${api.url}/v1/builds/${build.id}/logs`, { headers: { authorization: `Bearer ${token}`, accept: "text/event-stream" } });
      const entries: BuildLogEntry[] = [];
      for (const event of (await response.text()).split("\n\n")) {
        if (/^event: log$/m.test(event)) entries.push(JSON.parse(/^data: (.*)$/m.exec(event)?.[1] ?? "") as BuildLogEntry);
      }
      return entries;
    },
    stop: async () => {
      await Promise.all(workers.map((worker) => worker.stop()));
      // Of workers that tests have killed, and nobody started again.
      const left = { netPrefix, runDir: join(dir, "run") } as BerthConfig;
      await killSandboxes(left);
      await removeFromHost(left);
      await api.close();
      await stores.stop();
      rmSync(dir, { recursive: true, force: true });
    },
  };
  return world;
}

/** In a mount namespace of its own, as `infra/sandbox-namespace` makes it for a whole Berth. */
async function startWorkerProcess(env: Record<string, string>): Promise<TestWorker> {
  const script = 'umount /sys/fs/cgroup/unified 2>/dev/null; exec "$@"';
  const argv = ["unshare", "--mount", "--propagation", "private", "sh", "-c", script, "sh", process.execPath, join(REPOSITORY, "workers/main.ts")];
  const child = start(argv, { env, stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream?.on("data", (chunk: Buffer) => (output = (output + chunk.toString()).slice(-200_000)));
  for (const deadline = Date.now() + 30_000; !output.includes("worker started"); await sleep(20)) {
    if (child.exitCode !== null || Date.now() > deadline) throw new Error(`the worker did not start:\n${output}`);
  }
  return { pid: child.pid ?? 0, output: () => output, kill: () => end(child, "SIGKILL"), stop: () => end(child, "SIGTERM") };
}

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, "exit");
  child.kill(signal);
  const timer = setTimeout(() => {
    console.error("a worker did not end in order within 30 s");
    child.kill("SIGKILL");
  }, 30_000);
  await ended;
  clearTimeout(timer);
}
