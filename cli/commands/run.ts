import type { Command } from "commander";
import type { RunCreate } from "../../client/index.ts";
import { chooseApp } from "../app-name.ts";
import { parseCpu, parseDuration, parseMemory, wholeNumber } from "../flags.ts";
import { followRun } from "../follow-run.ts";
import { programWords } from "../program-words.ts";
import { APP_OPTION, commonOptions, openSession, type CommonOptions } from "../session.ts";

export interface RunFlags {
  memory?: number;
  cpu?: number;
  timeout?: number;
  retries?: number;
  tasks?: number;
  parallelism?: number;
}
type Options = CommonOptions & RunFlags & { app?: string; detach?: boolean };

export function define(command: Command): void {
  runOptions(commonOptions(command).argument("[app]").argument("[command...]", "the program and its arguments (default: the image's own)").option(...APP_OPTION))
    .option("-d, --detach", "print the run's id and do not wait")
    .passThroughOptions()
    .addHelpText(
      "after",
      `
The program runs once, in an instance of its own, with the live release's image, variables and secrets. What it writes comes
here, and its exit code is the command's; Ctrl-C cancels it. Options stand before APP; what follows APP is the program's. With
--app, all words are the program's.

Examples:
  $ berth run shop python manage.py migrate
  $ berth run --memory 1g --timeout 2h shop python import.py
  $ berth run --detach shop sh -c 'python report.py >/dev/null'
  $ berth logs shop --run run_…`,
    )
    .action(run);
}

/** Options that `run` and `jobs` share. */
export function runOptions(command: Command): Command {
  return command
    .option("--memory <size>", "memory of one task (default: the app's)", parseMemory)
    .option("--cpu <cpus>", "cpus of one task (default: the app's)", parseCpu)
    .option("--timeout <time>", "how long one attempt may take: 30m, 2h (default: 1 hour)", parseDuration)
    .option("--retries <n>", "how often what failed is tried again (default: 0)", wholeNumber("--retries", 0, 20))
    .option("--tasks <n>", "run it so many times, each with its own BERTH_TASK_INDEX (default: 1)", wholeNumber("--tasks", 1, 1000))
    .option("--parallelism <n>", "most tasks at a time (default: 1)", wholeNumber("--parallelism", 1, 100));
}

/** Only what was named. */
export function runFields({ memory, cpu, timeout, retries, tasks, parallelism }: RunFlags, words: readonly string[]): RunCreate {
  return {
    ...(words.length === 0 ? {} : { command: [...words] }),
    ...(memory === undefined ? {} : { memoryBytes: memory }),
    ...(cpu === undefined ? {} : { cpuMillis: cpu }),
    ...(timeout === undefined ? {} : { deadlineMs: timeout }),
    ...(retries === undefined ? {} : { retries }),
    ...(tasks === undefined ? {} : { tasks }),
    ...(parallelism === undefined ? {} : { parallelism }),
  } as RunCreate;
}

async function run(named: string | undefined, words: string[], options: Options): Promise<void> {
  const args = programWords("run", options.app, named, words);
  const { out, client } = openSession(options);
  const app = await chooseApp(options.app ?? named, ".");
  const made = await client.createRun(app, runFields(options, args));
  if (options.detach === true) {
    out.document(made);
    out.result(made.id);
    return;
  }
  await followRun(client, out, made);
}
