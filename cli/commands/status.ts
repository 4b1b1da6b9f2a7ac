import type { Command } from "commander";
import type { AppStatus, Deployment, Instance } from "../../client/index.ts";
import { chooseApp } from "../app-name.ts";
import { failureLines } from "../deploy/finish.ts";
import { formatAge, formatBytes, safeLogText, type Output } from "../output.ts";
import { APP_OPTION, commonOptions, openSession, type CommonOptions } from "../session.ts";

export function define(command: Command): void {
  commonOptions(command)
    .option(...APP_OPTION)
    .addHelpText(
      "after",
      `
Examples:
  $ berth status                    the app of this directory
  $ berth status hello
  $ berth status hello --json | jq .app.url`,
    )
    .action(status);
}

async function status(named: string | undefined, options: CommonOptions & { app?: string }): Promise<void> {
  const { out, client } = openSession(options);
  const found = await client.status(await chooseApp(named ?? options.app, "."));
  out.document(found);
  if (out.quiet) out.result(found.app.url);
  await render(out, found);
}

async function render(out: Output, { app, instances, lastDeployment }: AppStatus): Promise<void> {
  const { bold } = out.colors;
  const { settings } = app;
  out.line(`${bold(app.name)}  ${app.url}`);
  out.line(`  live       ${app.liveRelease ?? "nothing yet"}${app.targetRelease === app.liveRelease || app.targetRelease === null ? "" : ` (${app.targetRelease} is on its way)`}`);
  out.line(`  instances  ${app.instances.ready} of ${app.instances.wanted} ready`);
  if (app.maintenance !== null) out.line(`  ${out.colors.yellow("maintenance")} its requests are answered 503 («berth maintenance off ${app.name}» ends that)`);
  out.line(`  limits     ${formatBytes(settings.memoryBytes)}, ${settings.cpuMillis / 1000} cpu each`);
  const others = [...(settings.init ?? []), ...(settings.sidecars ?? [])].map(({ name }) => name);
  if (others.length > 0) out.line(`  beside it  ${others.join(", ")}`);
  if (lastDeployment !== null) renderDeployment(out, lastDeployment);
  if (instances.length === 0) return;
  out.line();
  const now = Date.now();
  await out.table(
    ["INSTANCE", "RELEASE", "NODE", "STATE", "RESTARTS", "AGE"],
    instances.map((one) => [one.id, one.release, one.node, stateOf(one), String(one.restarts), formatAge(one.createdAt, now)]),
  );
  for (const one of instances) {
    renderProblem(out, one);
    for (const container of one.containers) renderContainer(out, one, container);
    for (const what of one.full) out.line(`${one.id}: its disk is full: ${what === "disk" ? `${formatBytes(settings.diskBytes)} are used` : `it has ${settings.inodesMax.toLocaleString("en")} files`}; what it writes fails`);
  }
}

/** One that does not run and should, or has been started again. */
function renderContainer(out: Output, { id }: Instance, { name, kind, state, ready, restarts, lastExit, problem }: Instance["containers"][number]): void {
  const isWell = state === "completed" || state === "waiting" || (kind === "sidecar" && state === "running" && ready);
  if (isWell && restarts === 0) return;
  const exit = lastExit === null ? "" : `, exit code ${lastExit.code}${lastExit.oomKilled ? " (out of memory)" : ""}`;
  const again = restarts === 0 ? "" : `, restarts ${restarts}`;
  out.line();
  out.line(`${id}: ${kind === "init" ? "init container" : "sidecar"} ${name} ${state === "running" && !isWell && kind === "sidecar" ? "not ready" : state}${again}${exit}${problem === null ? "" : `: ${safeLogText(problem.detail, false)} ${out.colors.dim(`(${problem.code})`)}`}`);
  for (const text of problem?.logTail ?? []) out.line(`  ${safeLogText(text, out.colors.isColorSupported)}`);
}

function stateOf(one: Instance): string {
  if (one.state !== "wanted") return one.state;
  const warmth = one.temperature?.is ?? "running";
  return warmth === "running" ? (one.phase ?? "placed") : warmth;
}

function renderDeployment(out: Output, deployment: Deployment): void {
  const { colors } = out;
  const paint = { live: colors.green, failed: colors.red, cancelled: colors.yellow, building: colors.cyan, releasing: colors.cyan }[deployment.state];
  out.line(`  last       ${paint(deployment.state)} ${formatAge(deployment.createdAt, Date.now())} (${deployment.reason}) ${colors.dim(deployment.id)}`);
  const failure = deployment.failure ?? deployment.build?.failure;
  if (failure === null || failure === undefined) return;
  out.line(`  ${colors.red("error:")} ${safeLogText(failure.detail, false)} ${colors.dim(`(${failure.code})`)}`);
  for (const text of failureLines(failure, "Dockerfile")) out.line(`    ${safeLogText(text, false)}`);
}

function renderProblem(out: Output, one: Instance): void {
  if (one.problem === null) return;
  const exit = one.lastExit === null ? "" : `, exit code ${one.lastExit.code}${one.lastExit.oomKilled ? " (out of memory)" : ""}`;
  out.line();
  out.line(`${one.id}: ${safeLogText(one.problem.detail, false)} ${out.colors.dim(`(${one.problem.code}${exit})`)}`);
  for (const text of one.problem.logTail) out.line(`  ${safeLogText(text, out.colors.isColorSupported)}`);
}
