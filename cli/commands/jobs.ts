import { Option, type Command } from "commander";
import type { Job, JobPatch, Run } from "../../client/index.ts";
import { chooseApp } from "../app-name.ts";
import { CliError, EXIT, usageError } from "../errors.ts";
import { followRun } from "../follow-run.ts";
import { wholeNumber } from "../flags.ts";
import { formatAge } from "../output.ts";
import { APP_OPTION, commonOptions, openSession, type CommonOptions, type Session } from "../session.ts";
import { runFields, runOptions, type RunFlags } from "./run.ts";

interface WhenFlags {
  /** Empty: none. */
  schedule?: string;
  timeZone?: string;
  overlap?: "allow" | "forbid" | "replace";
  missed?: "skip" | "run-once" | "run-all";
  keep?: number;
}
type Options = CommonOptions & RunFlags & WhenFlags & { app?: string; yes?: boolean; detach?: boolean; limit?: number };

export function define(command: Command): void {
  command.usage("list | create NAME | update NAME | pause NAME | resume NAME | run NAME | runs [NAME] | show RUN | cancel RUN | delete NAME").addHelpText(
    "after",
    `
A job is a command that runs to its end beside an app: by a schedule, or when it is asked to.

Examples:
  $ berth jobs create nightly --schedule "0 3 * * *" --time-zone Europe/Berlin --app shop -- python clean.py
  $ berth jobs run nightly --app shop
  $ berth jobs runs nightly --app shop
  $ berth jobs pause nightly --app shop`,
  );
  sub(command, "list", "show an app's jobs").action(list);
  whenOptions(runOptions(sub(command, "create", "make a job").argument("<name>").argument("[command...]", "what it runs (default: the image's own)"))).action(create);
  whenOptions(runOptions(sub(command, "update", "change a job; what runs stays as it is").argument("<name>").argument("[command...]", "what it runs from now on"))).action(update);
  sub(command, "pause", "stop its schedule").argument("<name>").action((name: string, options: Options) => setPaused(name, true, options));
  sub(command, "resume", "start its schedule again").argument("<name>").action((name: string, options: Options) => setPaused(name, false, options));
  sub(command, "run", "run a job now, and show what it writes").argument("<name>").option("-d, --detach", "print the run's id and do not wait").action(runNow);
  sub(command, "runs", "show the runs of a job, or of the app").argument("[name]").option("-n, --limit <count>", "how many", wholeNumber("--limit", 1, 1000), 20).action(runs);
  sub(command, "show", "show a run").argument("<run>").action(show);
  sub(command, "cancel", "end a run").argument("<run>").action(cancel);
  sub(command, "delete", "delete a job; its history stays").argument("<name>").option("-y, --yes", "do not ask").action(remove);
}

function sub(parent: Command, name: string, summary: string): Command {
  const made = parent.command(name).summary(summary).description(`${summary.charAt(0).toUpperCase()}${summary.slice(1)}.`);
  return commonOptions(made).option(...APP_OPTION);
}

function whenOptions(command: Command): Command {
  return command
    .option("--schedule <cron>", 'when it runs: five fields, or @hourly, @daily, @weekly, @monthly ("": when it is asked to)')
    .option("--time-zone <zone>", "of the schedule: Europe/Berlin (default: UTC)")
    .addOption(new Option("--overlap <policy>", "while a run of it goes on: a new one beside it, none, or in its place (default: forbid)").choices(["allow", "forbid", "replace"]))
    .addOption(new Option("--missed <policy>", "times that passed while nothing could be started (default: run-once)").choices(["skip", "run-once", "run-all"]))
    .option("--keep <runs>", "so many ended runs are kept (default: 50)", wholeNumber("--keep", 1, 1000));
}

function whenFields({ schedule, timeZone, overlap, missed, keep }: WhenFlags): JobPatch {
  return {
    ...(schedule === undefined ? {} : { schedule: schedule === "" ? null : schedule }),
    ...(timeZone === undefined ? {} : { timeZone }),
    ...(overlap === undefined ? {} : { concurrencyPolicy: overlap }),
    ...(missed === undefined ? {} : { missedRuns: missed }),
    ...(keep === undefined ? {} : { historyKeep: keep }),
  };
}

async function list(options: Options): Promise<void> {
  const { out, client } = openSession(options);
  const app = await chooseApp(options.app, ".");
  const found = await client.jobs(app);
  out.document(found);
  if (out.quiet) for (const { name } of found) out.result(name);
  if (found.length === 0) return out.line(`${app} has no jobs. Make one: berth jobs create NAME --app ${app} -- COMMAND…`);
  const now = Date.now();
  await out.table(
    ["JOB", "SCHEDULE", "NEXT", "LAST RUN", "COMMAND"],
    found.map((job) => [job.name, whenOf(job), job.nextRunAt === null ? "" : job.nextRunAt.slice(0, 16).replace("T", " "), job.lastRun === null ? "never" : `${job.lastRun.state}${job.lastRun.finishedAt === null ? "" : ` ${formatAge(job.lastRun.finishedAt, now)}`}`, (job.command ?? []).join(" ")]),
  );
}

const whenOf = ({ schedule, timeZone, paused }: Job) => (schedule === null ? "when asked" : `${schedule} ${timeZone}${paused ? " (paused)" : ""}`);

async function create(name: string, words: string[], options: Options): Promise<void> {
  const { out, client } = openSession(options);
  const job = await client.createJob(await chooseApp(options.app, "."), { name, ...whenFields(options), ...runFields(options, words) } as Parameters<typeof client.createJob>[1]);
  say({ out, client }, job, "is made");
}

async function update(name: string, words: string[], options: Options): Promise<void> {
  const session = openSession(options);
  const patch = { ...whenFields(options), ...runFields(options, words) };
  if (Object.keys(patch).length === 0) throw usageError("Nothing was named to change.", `berth jobs update ${name} --schedule "0 4 * * *"`);
  say(session, await session.client.updateJob(await chooseApp(options.app, "."), name, patch), "is changed");
}

async function setPaused(name: string, paused: boolean, options: Options): Promise<void> {
  const session = openSession(options);
  say(session, await session.client.updateJob(await chooseApp(options.app, "."), name, { paused }), paused ? "is paused" : "goes on");
}

function say({ out }: Session, job: Job, what: string): void {
  out.document(job);
  out.line(`${out.colors.green("✓")} ${job.name} of ${job.app} ${what}: ${whenOf(job)}${job.nextRunAt === null ? "" : `, next at ${job.nextRunAt}`}`);
}

async function runNow(name: string, options: Options): Promise<void> {
  const { out, client } = openSession(options);
  const made = await client.runJob(await chooseApp(options.app, "."), name);
  if (options.detach !== true) return followRun(client, out, made);
  out.document(made);
  out.result(made.id);
}

async function runs(name: string | undefined, options: Options): Promise<void> {
  const { out, client } = openSession(options);
  const app = await chooseApp(options.app, ".");
  const limit = options.limit ?? 20;
  const found = name === undefined ? await client.runs(app, limit) : await client.runsOfJob(app, name, limit);
  out.document(found);
  if (out.quiet) for (const { id } of found) out.result(id);
  if (found.length === 0) return out.line("There are no runs.");
  const now = Date.now();
  await out.table(
    ["RUN", "JOB", "STATE", "EXIT", "WHY", "BEGAN", "RELEASE"],
    found.map((run) => [run.id, run.job ?? "", run.state, run.exitCode === null ? "" : String(run.exitCode), run.trigger, formatAge(run.startedAt ?? run.createdAt, now), run.release ?? ""]),
  );
}

async function show(id: string, options: Options): Promise<void> {
  const { out, client } = openSession(options);
  const run = await client.run(await chooseApp(options.app, "."), id);
  out.document(run);
  for (const [name, value] of Object.entries(figures(run))) if (value !== null) out.line(`${name.padEnd(9)} ${value}`);
  for (const line of run.failure?.logTail ?? []) out.line(`  ${line}`);
}

function figures(run: Run): Record<string, string | null> {
  const { total, succeeded, failed, running } = run.tasks;
  return {
    run: run.id,
    job: run.job,
    state: `${run.state}${run.waiting === null ? "" : `: ${run.waiting}`}`,
    command: run.command?.join(" ") ?? null,
    tasks: total === 1 ? null : `${succeeded} of ${total} succeeded, ${running} run, ${failed} failed`,
    attempts: run.attempts > total ? String(run.attempts) : null,
    exit: run.exitCode === null ? null : String(run.exitCode),
    problem: run.failure?.detail ?? null,
    began: run.startedAt,
    ended: run.finishedAt,
  };
}

async function cancel(id: string, options: Options): Promise<void> {
  const { out, client } = openSession(options);
  const run = await client.cancelRun(await chooseApp(options.app, "."), id);
  out.document(run);
  out.line(run.finishedAt === null ? `${id} is told to end.` : `${id} had ended: ${run.state}.`);
}

async function remove(name: string, options: Options): Promise<void> {
  const { out, client } = openSession(options);
  const app = await chooseApp(options.app, ".");
  if (options.yes !== true) {
    if (process.stdin.isTTY !== true) throw usageError("There is no terminal to ask for your consent.", `If you are sure: berth jobs delete ${name} --app ${app} --yes`);
    const { confirm } = await import("@inquirer/prompts");
    if (!(await confirm({ message: `${name} of ${app} will not run any more, and what runs of it now is cancelled. Go on?`, default: false }))) {
      throw new CliError("Nothing was deleted.", { exitCode: EXIT.cancelled, code: "cancelled" });
    }
  }
  await client.deleteJob(app, name);
  out.document({ app, job: name, deleted: true });
  out.line(`${out.colors.green("✓")} ${name} is deleted`);
}
