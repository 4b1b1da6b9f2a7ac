/** One build from its claimed row to its end. */
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import type { Redis } from "ioredis";
import { BlobNotFound, BlobStoreUnavailable, type BlobStore } from "../../core/blob-store/blob-store.ts";
import { archiveBuildLog, BuildLogWriter } from "../../core/build-log.ts";
import type { Bells } from "../../core/bells.ts";
import { AppError, type Failure } from "../../core/contract/errors.ts";
import type { Image } from "../../core/contract/release-config.ts";
import type { Db } from "../../core/db/client.ts";
import type { ClaimedBuild } from "../../core/db/system-queries/build-claims.ts";
import { openBuildSecrets } from "../../core/db/system-queries/secrets.ts";
import { endBuild, noteLogBytes, succeedBuild, type Fence } from "../../core/db/system-queries/builds.ts";
import { parseDockerfile } from "../../core/domain/dockerfile.ts";
import { missingSecrets, mountedSecrets, withSecretEnvFromFiles, type SecretMount } from "../../core/domain/dockerfile-secrets.ts";
import { withoutLinkFlags } from "../../core/domain/dockerfile-lines.ts";
import { tenantUidBase } from "../../core/domain/id-ranges.ts";
import type { Log } from "../../core/log.ts";
import type { Secrets } from "../../core/secrets/secrets.ts";
import type { CacheDisks } from "./cache-disk.ts";
import type { BuildConfig } from "./config.ts";
import { describeFailure } from "./failure.ts";
import { prepareJob } from "./job.ts";
import type { BuildNetwork, Slot } from "./network.ts";
import { BuildOutput } from "./output.ts";
import { startSandbox, type Sandbox } from "./sandbox.ts";

export interface BuildDeps {
  db: Db;
  blobs: BlobStore;
  secrets: Secrets;
  redis: Redis;
  redisPrefix: string;
  bells: Bells;
  config: BuildConfig;
  network: BuildNetwork;
  disks: CacheDisks;
  registryPort: number;
  log: Log;
  clock: () => Date;
  /** Bearer tokens for a build, each time one that is still good: reads the catalogue and its tenant's images, writes its own. */
  registryToken: (access: { tenantName: string; repository: string }) => () => Promise<string>;
  /** What the pushed manifest says. */
  loadImage: (repository: string, digest: string) => Promise<Image>;
}

/** Why a build ends early. `lost`: another worker has it; `drained`: this worker is told to end. */
export type StopReason = "cancelled" | "timeout" | "lost" | "drained";

type Outcome = { kind: "pushed"; digest: string } | { kind: "failed"; failure: Failure } | { kind: "stopped"; reason: StopReason };

/** Sharing steps with other workers after the release may take so long. */
const SHARE_TIMEOUT_MS = 300_000;
/** For throwing away the context of a build that failed. What is left is thrown away by the tenant's next build. */
const TIDY_TIMEOUT_MS = 2000;

/**
 * Resolves when nothing of the build is left here; `onSettled` is called before, when its row says how it ended and only
 * tidying is left, which `stop` cuts short. Throws only for trouble of this worker's own.
 */
export async function runBuild(deps: BuildDeps, claimed: ClaimedBuild, stop: AbortSignal, onSettled: () => void): Promise<StopReason | "succeeded" | "failed"> {
  const { build } = claimed;
  const fence: Fence = { id: build.id, attempt: build.attempt };
  const timings = new Timings(deps.clock);
  const writer = await BuildLogWriter.open({
    redis: deps.redis,
    redisPrefix: deps.redisPrefix,
    buildId: build.id,
    path: join(deps.config.workerData, "logs", `${build.id}.ndjson`),
    clock: deps.clock,
  });
  const deadline = AbortSignal.timeout(deps.config.timeoutMs);
  const attempt = new BuildAttempt(deps, claimed, writer, timings);
  // Trouble of this worker's own ends no build: its lease runs out, and another worker takes it.
  let ended: StopReason | "succeeded" | "failed" = "lost";
  try {
    const outcome = await attempt.untilPushed(stop, deadline).catch(storageFailure);
    ended = await settle(deps, claimed, fence, outcome, writer, timings).catch((error: unknown) => {
      // What was built cannot be released: another attempt would build the same.
      if (outcome.kind !== "pushed" || !(error instanceof AppError) || error.status >= 500) throw error;
      return settle(deps, claimed, fence, { kind: "failed", failure: error.failure }, writer, timings);
    });
    onSettled();
  } finally {
    const closing = closeLog(deps, claimed, writer, ended);
    await attempt.close(ended === "succeeded" ? SHARE_TIMEOUT_MS : TIDY_TIMEOUT_MS, stop);
    await closing;
  }
  return ended;
}

function storageFailure(error: unknown): Outcome {
  if (error instanceof BlobNotFound) return { kind: "failed", failure: { code: "storage_unavailable", detail: "The build context is not in the blob store any more. Upload it again." } };
  if (error instanceof BlobStoreUnavailable) return { kind: "failed", failure: CONTEXT_UNREADABLE };
  throw error;
}

const CONTEXT_UNREADABLE: Failure = { code: "storage_unavailable", detail: "The build context could not be read from the blob store. Deploy again in a moment." };

/** Writes the end of the build, if it is still this worker's. */
async function settle(deps: BuildDeps, claimed: ClaimedBuild, fence: Fence, outcome: Outcome, writer: BuildLogWriter, timings: Timings): Promise<StopReason | "succeeded" | "failed"> {
  const repository = `${claimed.tenantName}/${claimed.appName}`;
  if (outcome.kind === "pushed") {
    const image = await deps.loadImage(repository, outcome.digest);
    timings.mark("publish");
    const published = await succeedBuild(deps.db, fence, { image, repository, timingsMs: timings.toJSON() }, deps.clock());
    if (published === undefined) return "lost";
    for (const one of published) {
      for (const id of one.deployments) deps.bells.ring("deployment", id);
      deps.bells.ring("reconcile", one.appId);
    }
    return "succeeded";
  }
  if (outcome.kind === "stopped" && (outcome.reason === "lost" || outcome.reason === "drained")) return outcome.reason;
  const failure: Failure =
    outcome.kind === "failed"
      ? outcome.failure
      : outcome.reason === "timeout"
        ? { code: "build_timeout", detail: `The build took longer than ${Math.round(deps.config.timeoutMs / 1000)} s.` }
        : { code: "build_cancelled", detail: "The build was cancelled." };
  const state = failure.code === "build_cancelled" ? "cancelled" : "failed";
  writer.append({ step: 0, stream: "system", text: failure.line === undefined ? failure.detail : `Line ${failure.line}: ${failure.detail}` });
  const ended = await endBuild(deps.db, fence, state, failure, timings.toJSON(), deps.clock());
  if (ended === undefined) return "lost";
  for (const id of ended.deployments) deps.bells.ring("deployment", id);
  return state === "cancelled" ? "cancelled" : "failed";
}

/** What another attempt will go on with stays open; everything else is archived. */
async function closeLog(deps: BuildDeps, { build }: ClaimedBuild, writer: BuildLogWriter, ended: string): Promise<void> {
  try {
    if (ended === "lost" || ended === "drained") return;
    await writer.end();
    await noteLogBytes(deps.db, build.id, await archiveBuildLog(deps.blobs, build.tenantId, build.id, writer.path));
  } catch (error) {
    deps.log.error({ err: error, build: build.id }, "the build's log could not be archived");
  } finally {
    await rm(writer.path, { force: true });
  }
}

/** Durations between marks, in ms. */
class Timings {
  readonly #clock: () => Date;
  readonly #startedAt: number;
  #lastAt: number;
  readonly #durations: Record<string, number> = {};

  constructor(clock: () => Date) {
    this.#clock = clock;
    this.#startedAt = this.#lastAt = clock().getTime();
  }

  /** The time since the last mark belongs to `phase`. */
  mark(phase: string): void {
    const now = this.#clock().getTime();
    this.#durations[phase] = (this.#durations[phase] ?? 0) + now - this.#lastAt;
    this.#lastAt = now;
  }

  toJSON(): Record<string, number> {
    return { ...this.#durations, total: this.#clock().getTime() - this.#startedAt };
  }
}

/** One sandbox, and what it holds of the host while it lives. */
class BuildAttempt {
  readonly #deps: BuildDeps;
  readonly #claimed: ClaimedBuild;
  readonly #writer: BuildLogWriter;
  readonly #timings: Timings;
  readonly #output = new BuildOutput();
  readonly #jobDir: string;
  readonly #cgroupsPath: string;
  #slot: Slot | undefined;
  #hasDisk = false;
  #sandbox: Sandbox | undefined;
  #dockerfile: string | undefined;
  #settled = false;

  constructor(deps: BuildDeps, claimed: ClaimedBuild, writer: BuildLogWriter, timings: Timings) {
    this.#deps = deps;
    this.#claimed = claimed;
    this.#writer = writer;
    this.#timings = timings;
    const { id, attempt } = claimed.build;
    this.#jobDir = join(deps.config.workerData, "jobs", `${id}-${attempt}`);
    this.#cgroupsPath = `/berth-${deps.config.netPrefix}/${id}-${attempt}`;
  }

  async untilPushed(stop: AbortSignal, deadline: AbortSignal): Promise<Outcome> {
    const { build } = this.#claimed;
    const aborter = new AbortController();
    let resolve: (outcome: Outcome) => void = () => {};
    const outcome = new Promise<Outcome>((done) => (resolve = done));
    const settle = (value: Outcome) => {
      this.#settled = true;
      resolve(value);
    };
    const onStop = () => settle({ kind: "stopped", reason: stop.reason as StopReason });
    const onDeadline = () => settle({ kind: "stopped", reason: "timeout" });
    if (stop.aborted) onStop();
    stop.addEventListener("abort", onStop, { once: true });
    deadline.addEventListener("abort", onDeadline, { once: true });
    try {
      const context = this.#deps.blobs.get(build.contextKey);
      context.catch(() => {});
      const sandbox = await this.#start(settle);
      const { body } = await context;
      this.#timings.mark("sandbox");
      pipeline(body, sandbox.stdin, { signal: aborter.signal }).catch((error: unknown) => {
        // The sandbox may stop reading for a reason of its own, and then says so.
        if (!["EPIPE", "ECONNRESET", "ABORT_ERR", "ERR_STREAM_PREMATURE_CLOSE"].includes((error as NodeJS.ErrnoException).code ?? "")) {
          settle({ kind: "failed", failure: CONTEXT_UNREADABLE });
        }
      });
      const result = await outcome;
      if (result.kind === "stopped") await sandbox.kill();
      return result;
    } finally {
      aborter.abort();
      stop.removeEventListener("abort", onStop);
      deadline.removeEventListener("abort", onDeadline);
    }
  }

  async #start(settle: (outcome: Outcome) => void): Promise<Sandbox> {
    const { config, network, disks } = this.#deps;
    const { build, tenantName, tenantOrdinal, appName } = this.#claimed;
    const uidBase = tenantUidBase(tenantOrdinal);
    const repository = `${tenantName}/${appName}`;
    const [slot, diskPath] = await Promise.all([
      network.take().then((taken) => (this.#slot = taken)),
      disks.take(build.tenantId, uidBase).then((path) => {
        this.#hasDisk = true;
        return path;
      }),
    ]);
    slot.proxy.serve({
      repository,
      tenantPrefix: `${tenantName}/`,
      token: this.#deps.registryToken({ tenantName, repository }),
    });
    const spec = await prepareJob({
      config,
      build,
      repository,
      uidBase,
      jobDir: this.#jobDir,
      diskPath,
      slot,
      resolvers: network.resolvers,
      registryPort: this.#deps.registryPort,
      cgroupsPath: this.#cgroupsPath,
    });
    const sandbox = await startSandbox({
      id: `${config.netPrefix}-${build.id}-${build.attempt}`,
      crun: config.crun,
      stateDir: join(config.workerData, "crun"),
      bundleDir: join(config.workerData, "bundles", `${build.id}-${build.attempt}`),
      spec,
      cgroupsPath: this.#cgroupsPath,
      onLine: (line) => this.#onLine(line),
      onMessage: (words) => void this.#onMessage(words, settle),
    });
    this.#sandbox = sandbox;
    sandbox.ended.then(
      ({ killed, stderr }) => this.#onEnded(stderr, killed, settle),
      (error: unknown) => this.#onEnded(String(error), false, settle),
    );
    return sandbox;
  }

  #onEnded(stderr: string, killed: boolean, settle: (outcome: Outcome) => void): void {
    if (!this.#settled) settle({ kind: "failed", failure: this.#failure("sandbox", 1, stderr, killed) });
  }

  #onLine(line: string): void {
    if (this.#settled) return;
    const entry = this.#output.read(line);
    if (entry !== undefined) this.#writer.append(entry);
  }

  async #onMessage([kind, first = "", second = "", third = ""]: string[], settle: (outcome: Outcome) => void): Promise<void> {
    switch (kind) {
      case "unpacked":
        return this.#timings.mark("fetch");
      case "dockerfile":
        return await this.#onDockerfile(Buffer.from(first, "base64").toString("utf8"), settle);
      case "built":
        return this.#timings.mark("build");
      case "pushed":
        this.#timings.mark("push");
        return settle({ kind: "pushed", digest: first });
      case "failed": {
        this.#timings.mark(first);
        const oomKilled = ((await this.#sandbox?.oomKills()) ?? 0) > 0;
        return settle({ kind: "failed", failure: this.#failure(first, Number(second), Buffer.from(third, "base64").toString("utf8"), oomKilled) });
      }
      case "note":
        return this.#deps.log.warn({ build: this.#claimed.build.id, note: this.#output.mask(Buffer.from(first, "base64").toString("utf8")) }, "the build's steps could not be shared");
      default:
        return undefined;
    }
  }

  /** Errors that can be known before building are told with their line; then the sandbox goes on. */
  async #onDockerfile(text: string, settle: (outcome: Outcome) => void): Promise<void> {
    this.#dockerfile = text;
    const { build } = this.#claimed;
    const { errors, unsupported, secretMounts } = parseDockerfile(text, { target: build.target ?? undefined, buildArgs: build.buildArgs });
    const [error] = errors;
    const wrong = error ?? unsupported[0];
    if (wrong !== undefined) {
      this.#sandbox?.send("stop");
      const code = error === undefined ? "dockerfile_unsupported" : "dockerfile_invalid";
      const instruction = wrong.instruction === undefined ? {} : { instruction: wrong.instruction };
      return settle({ kind: "failed", failure: { code, detail: wrong.message, line: wrong.line, ...instruction } });
    }
    if (secretMounts.length > 0) {
      const problem = await this.#handOverSecrets(secretMounts);
      if (problem !== undefined) {
        this.#sandbox?.send("stop");
        return settle(problem === "lost" ? { kind: "stopped", reason: "lost" } : { kind: "failed", failure: problem });
      }
    }
    const rewritten = withSecretEnvFromFiles(withoutLinkFlags(text));
    this.#sandbox?.send(rewritten === text ? "go" : `go ${Buffer.from(rewritten).toString("base64")}`);
  }

  /** Into the sandbox's memory, those that the Dockerfile mounts; from now on the build's output is searched for them. */
  async #handOverSecrets(mounts: readonly SecretMount[]): Promise<Failure | "lost" | undefined> {
    const { db, secrets } = this.#deps;
    try {
      const opened = await openBuildSecrets(db, secrets, this.#claimed.build, (all) => mountedSecrets(mounts, all));
      const [missing] = missingSecrets(mounts, new Set(opened.map(({ name }) => name)));
      if (missing !== undefined) return { code: "build_secret_missing", detail: missing.message, line: missing.line, instruction: "RUN" };
      this.#output.hide(opened.map(({ value }) => value));
      for (const { name, value } of opened) this.#sandbox?.send(`secret ${name} ${value.toString("base64")}`);
      return undefined;
    } catch (error) {
      if (error instanceof AppError) return error.failure;
      // Another attempt will read them, when the database is there again.
      this.#deps.log.error({ err: error, build: this.#claimed.build.id }, "the build's secrets could not be read");
      return "lost";
    }
  }

  #failure(phase: string, exitCode: number, detail: string, oomKilled: boolean): Failure {
    const { build } = this.#claimed;
    const { limits } = this.#deps.config;
    if (phase === "sandbox" && !oomKilled) this.#deps.log.error({ build: build.id, detail: this.#output.mask(detail) }, "a build's sandbox ended unexpectedly");
    return describeFailure({
      phase,
      exitCode,
      detail: this.#output.mask(detail),
      oomKilled,
      error: this.#output.error,
      position: this.#output.position,
      tail: this.#output.tail,
      dockerfile: this.#dockerfile,
      dockerfilePath: build.dockerfilePath,
      contextFormat: build.contextFormat,
      limits,
    });
  }

  /** Waits until the sandbox has ended by itself, at most `graceMs`, and gives everything back. */
  async close(graceMs: number, stop: AbortSignal): Promise<void> {
    const sandbox = this.#sandbox;
    if (sandbox !== undefined) {
      const kill = () => void sandbox.kill();
      const timer = setTimeout(kill, stop.aborted ? 0 : graceMs);
      stop.addEventListener("abort", kill, { once: true });
      await sandbox.ended.catch(() => {});
      stop.removeEventListener("abort", kill);
      clearTimeout(timer);
    }
    await rm(this.#jobDir, { recursive: true, force: true });
    if (this.#slot !== undefined) this.#deps.network.release(this.#slot);
    if (this.#hasDisk) this.#deps.disks.release(this.#claimed.build.tenantId);
  }
}
