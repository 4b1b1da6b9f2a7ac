/** From a deployment that was asked for to its result: follow it, mind Ctrl-C, say how it ended. */
import type { Deployment, Failure } from "../../client/index.ts";
import type { Client } from "../client.ts";
import { CliError, EXIT, exitCodeOf } from "../errors.ts";
import type { Output } from "../output.ts";
import { durationsLine, followDeployment, hasEnded, type Watched } from "./follow.ts";
import { listenForInterrupts } from "./interrupt.ts";

const CANCEL_TIMEOUT_MS = 15_000;

export interface FinishOptions {
  out: Output;
  client: Client;
  deployment: Deployment;
  /** Follow nothing: say what was started. */
  detach?: boolean;
  /** For `Dockerfile:LINE`. */
  dockerfile?: string;
  /** Measured before the deployment was made. */
  durationsMs?: Record<string, number>;
  startedMs: number;
}

/** Ends when the app is live. Throws `CliError` when the deployment failed, was cancelled or is followed no more. */
export async function finishDeployment(options: FinishOptions): Promise<void> {
  const { out, client, deployment } = options;
  if (options.detach === true && !hasEnded(deployment)) {
    out.event({ event: "result", ok: true, detached: true, app: deployment.app, url: deployment.url, state: deployment.state, deployment });
    if (!out.quiet) out.line(`Deployment ${deployment.id} goes on. See «berth status ${deployment.app}».`);
    out.result(deployment.url);
    return;
  }
  if (deployment.alreadyLive) {
    sayLive(options, { deployment });
    return;
  }
  const watched = await watchWithInterrupts(options);
  if (watched.deployment.state === "live") sayLive(options, watched);
  else throw await failureOf(options, watched.deployment, client);
}

async function watchWithInterrupts({ out, client, deployment }: FinishOptions): Promise<Watched> {
  const stop = new AbortController();
  const interrupts = listenForInterrupts(out);
  const following = followDeployment(out, client, deployment, stop.signal);
  following.catch(() => {});
  try {
    const first = await Promise.race([following, interrupts.decision]);
    if (typeof first !== "string") return first;
    if (first === "detach") {
      stop.abort();
      throw new CliError(`Detached: the deployment of ${deployment.app} goes on.`, {
        exitCode: EXIT.cancelled,
        code: "detached",
        hint: `See «berth status ${deployment.app}»; end it with «berth cancel ${deployment.app}».`,
      });
    }
    out.line("Cancelling …");
    await client.cancelDeployment(deployment.id).catch((error: unknown) => {
      if (!(error instanceof CliError) || error.details.code !== "not_cancellable") throw error;
    });
    const timer = setTimeout(() => stop.abort(), CANCEL_TIMEOUT_MS);
    const last = await following;
    clearTimeout(timer);
    return last;
  } finally {
    stop.abort();
    interrupts.close();
  }
}

function sayLive(options: FinishOptions, watched: Watched): void {
  const { out } = options;
  const { deployment } = watched;
  const totalMs = performance.now() - options.startedMs;
  const durationsMs = {
    ...options.durationsMs,
    ...(watched.buildMs === undefined ? {} : { build: watched.buildMs }),
    ...(watched.rolloutMs === undefined ? {} : { rollout: watched.rolloutMs }),
    total: totalMs,
  };
  const release = deployment.release ?? "the live release";
  out.event({ event: "result", ok: true, app: deployment.app, url: deployment.url, state: deployment.state, alreadyLive: deployment.alreadyLive, release: deployment.release, durationsMs: rounded(durationsMs), deployment });
  if (deployment.alreadyLive) out.line(`${out.colors.green("✓")} ${deployment.app} is already live: nothing has changed since ${release}`);
  else out.line(`${out.colors.green("✓")} ${deployment.app} is live (${release})`);
  out.line(`  ${out.colors.dim(durationsLine(Object.entries(durationsMs)))}`);
  out.result(deployment.url);
}

function rounded(values: Record<string, number>): Record<string, number> {
  return Object.fromEntries(Object.entries(values).map(([name, ms]) => [name, Math.round(ms * 10) / 10]));
}

/** Tells how a deployment failed (on stderr, after everything else) and answers the error to end with. */
async function failureOf(options: FinishOptions, deployment: Deployment, client: Client): Promise<CliError> {
  const { out } = options;
  const failure: Failure = deployment.failure ?? deployment.build?.failure ?? cancelledFailure(deployment);
  const serving = await client.app(deployment.app).then(
    (app) => app.liveRelease,
    () => null,
  );
  const exitCode = deployment.state === "cancelled" ? EXIT.cancelled : exitCodeOf(failure.code);
  out.event({ event: "result", ok: false, app: deployment.app, url: deployment.url, state: deployment.state, failure, serving, exitCode, deployment });
  const what = deployment.state === "cancelled" ? "was cancelled" : "failed";
  const keeps = serving === null ? `${deployment.app} has no live release.` : `${serving} keeps serving ${deployment.url}`;
  return new CliError(`The deployment of ${deployment.app} ${what}: ${failure.detail}`, {
    exitCode,
    code: failure.code,
    failure,
    lines: [...failureLines(failure, options.dockerfile ?? "Dockerfile"), keeps],
  });
}

function cancelledFailure(deployment: Deployment): Failure {
  if (deployment.state === "cancelled") return { code: "deployment_cancelled", detail: "it was cancelled." };
  return { code: "internal", detail: "no reason was given." };
}

/** Where and how it failed: the instruction with its place, the exit code, the last lines. */
export function failureLines(failure: Failure, dockerfile: string): string[] {
  const place = failure.line === undefined ? undefined : `${dockerfile}:${failure.line}`;
  const at = [place, failure.instruction].filter((part) => part !== undefined);
  const tail = failure.logTail ?? [];
  return [
    ...(at.length === 0 ? [] : [`at ${at.join("  ")}`]),
    ...(failure.exitCode === undefined ? [] : [`exit code ${failure.exitCode}`]),
    ...(tail.length === 0 ? [] : ["last lines:", ...tail.map((text) => `  ${text}`)]),
  ];
}
