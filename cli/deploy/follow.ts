/** Watching a deployment until it ends: the build's log live, then the rollout. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Build, BuildLogEntry, Deployment } from "../../client/index.ts";
import type { Client } from "../client.ts";
import { CliError } from "../errors.ts";
import { formatDuration, type Output, type Spinner } from "../output.ts";
import { eventStream, readEvent } from "../sse.ts";
import { isTransient } from "../transport.ts";

/** How long the log may take to end after the deployment has. */
const LOG_TAIL_TIMEOUT_MS = 5000;

export interface Watched {
  deployment: Deployment;
  /** From the upload's answer to the end of the build, and from there to the end; what did not happen is missing. */
  buildMs?: number;
  rolloutMs?: number;
}

export function hasEnded(deployment: Pick<Deployment, "state">): boolean {
  return deployment.state === "live" || deployment.state === "failed" || deployment.state === "cancelled";
}

/** Follows a deployment to its end. Throws `CliError` when the API cannot be reached for long. */
export async function followDeployment(out: Output, client: Client, first: Deployment, signal: AbortSignal): Promise<Watched> {
  const startedMs = performance.now();
  const end = new AbortController();
  const both = AbortSignal.any([signal, end.signal]);
  const watched: Watched = { deployment: first };
  const spinner = await out.spinner(first.build === null ? "Starting" : "Building");
  const log = first.build === null || first.state !== "building" ? Promise.resolve() : followBuild(out, client, first.build.id, both);
  const rollout = createRollout(out, spinner);
  let shown: Promise<void> = log;
  let buildEndedMs = first.state === "building" ? undefined : startedMs;
  const onChange = (deployment: Deployment) => {
    watched.deployment = deployment;
    if (deployment.state !== "building") buildEndedMs ??= performance.now();
    out.event({ event: "deployment", deployment });
    // The rollout is told of when the log's last line is out.
    shown = shown.then(() => rollout(deployment));
  };
  try {
    onChange(first);
    if (!hasEnded(first)) await watchEvents(out, client, first.id, both, onChange);
    const endedMs = performance.now();
    await Promise.race([shown, sleep(LOG_TAIL_TIMEOUT_MS, undefined, { ref: false })]);
    if (first.build !== null && first.state === "building" && buildEndedMs !== undefined) watched.buildMs = buildEndedMs - startedMs;
    if (watched.deployment.state === "live" && buildEndedMs !== undefined) watched.rolloutMs = endedMs - buildEndedMs;
    return watched;
  } finally {
    end.abort();
    spinner.stop();
  }
}

/** A log that cannot be read ends no deployment: it is only said. */
async function followBuild(out: Output, client: Client, buildId: string, signal: AbortSignal): Promise<void> {
  try {
    await showBuildLog(client, buildId, signal, (entry) => {
      out.event({ event: "log", entry });
      out.log(renderLogEntry(entry, out));
    });
  } catch (error) {
    if (!signal.aborted) out.warn(`the build's log cannot be shown: ${error instanceof CliError ? error.message : String(error)}`);
  }
}

async function watchEvents(out: Output, client: Client, id: string, signal: AbortSignal, onChange: (deployment: Deployment) => void): Promise<void> {
  let before = "";
  const events = eventStream({
    open: (lastEventId, inner) => client.followDeployment(id, lastEventId, inner),
    isTransient,
    signal,
    onReconnect: (attempt) => tellReconnect(out, attempt),
  });
  for await (const message of events) {
    if (message.event !== "deployment" || message.data === before) continue;
    before = message.data;
    const deployment = readEvent<Deployment>(message, "state");
    onChange(deployment);
    if (hasEnded(deployment)) return;
  }
}

export function tellReconnect(out: Output, attempt: number): void {
  if (attempt === 2) out.warn("the connection broke; trying again");
}

/** A build's log to its end; answers the build. Throws `CliError` when it cannot be read. */
export async function showBuildLog(client: Client, buildId: string, signal: AbortSignal, show: (entry: BuildLogEntry) => void): Promise<Build | undefined> {
  let seen = 0;
  const events = eventStream({
    open: (lastEventId, inner) => client.followBuildLog(buildId, lastEventId, inner),
    isTransient,
    signal,
  });
  for await (const message of events) {
    if (message.event === "end") return readEvent<Build>(message, "state");
    if (message.event !== "log") continue;
    const entry = readEvent<BuildLogEntry>(message, "seq");
    // After a new connection lines may come twice.
    if (entry.seq <= seen) continue;
    seen = entry.seq;
    show(entry);
  }
  return undefined;
}

export function renderLogEntry(entry: BuildLogEntry, out: Output): string {
  if (entry.stream === "system") return out.colors.dim(entry.text);
  return /^STEP \d+/.test(entry.text) ? out.colors.bold(entry.text) : entry.text;
}

/** Tells of a rollout once per change: a spinner's text on a terminal, lines in a pipe. */
function createRollout(out: Output, spinner: Spinner): (deployment: Deployment) => void {
  let told = "";
  let release: string | null = null;
  return (deployment) => {
    if (deployment.state !== "releasing") return;
    if (release === null && deployment.release !== null) {
      release = deployment.release;
      out.line(`Releasing ${release}`);
    }
    const ready = deployment.instances.filter((instance) => instance.phase === "ready").length;
    const phases = deployment.instances.map((instance) => instance.phase ?? "placed");
    const text = `${ready}/${deployment.instances.length} ready${phases.length === 0 ? "" : ` (${summarise(phases)})`}`;
    if (text === told || phases.length === 0) return;
    told = text;
    if (out.live) spinner.update(`Starting: ${text}`);
    else out.line(`  ${text}`);
  };
}

function summarise(phases: readonly string[]): string {
  const counts = new Map<string, number>();
  for (const phase of phases) counts.set(phase, (counts.get(phase) ?? 0) + 1);
  return [...counts].map(([phase, count]) => (phases.length === 1 ? phase : `${count} ${phase}`)).join(", ");
}

/** `packed 12 ms, uploaded 30 ms, built 2.1 s`. */
export function durationsLine(parts: readonly (readonly [name: string, ms: number | undefined])[]): string {
  return parts.flatMap(([name, ms]) => (ms === undefined ? [] : [`${name} ${formatDuration(ms)}`])).join(" · ");
}
