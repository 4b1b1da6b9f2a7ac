import { join } from "node:path";
import { Option, type Command } from "commander";
import { allSettings, readAppFile } from "../app-file.ts";
import { chooseApp } from "../app-name.ts";
import { parsePairs, repeated, settingsPatch, type SettingsFlags } from "../flags.ts";
import { usageError } from "../errors.ts";
import { commonOptions, openSession, type CommonOptions } from "../session.ts";
import { settingsOptions } from "../settings-options.ts";

export interface DeployOptions extends CommonOptions, SettingsFlags {
  app?: string;
  detach?: boolean;
  image?: string;
  preview?: string;
  config?: string;
  file?: string;
  target?: string;
  buildArg?: string[];
  env?: string[];
}

/** A preview has at most one instance, and nothing of the app's own volumes: whatever its file says. With the options that say it. */
const NOT_OF_PREVIEWS = { replicas: "--replicas", scaling: "--min, --max, --cpu-percent", freezeAfterMs: "--freeze-after, --no-freeze", strategy: "--strategy", keepWarmMs: "", mounts: "--mount" } as const;

export function define(command: Command): void {
  const shared = commonOptions(command)
    .option("-a, --app <name>", "the app (default: the directory's name); made when there is none")
    .option("--config <path>", "settings, variables and labels (default: DIR/berth.yaml, where there is one); options win")
    .option("-f, --file <path>", "the Dockerfile (default: DIR/Dockerfile; - reads it from stdin; within the tar when DIR is -)")
    .option("--target <stage>", "build this stage of the Dockerfile")
    .option("--build-arg <name=value>", "set an ARG; may be repeated", repeated)
    .option("-e, --env <name=value>", "set a variable of the app; may be repeated", repeated)
    .addOption(new Option("--image <ref>", "run an image of the registry and build nothing").conflicts(["file", "target", "buildArg"]))
    .option("--preview <name>", "deploy beside the app, at a URL of its own (see berth previews)")
    .option("-d, --detach", "do not wait until it is live");
  settingsOptions(shared)
    .addHelpText(
      "after",
      `
DIR is the directory with the Dockerfile (default: the one that you are in); files that its .dockerignore
names are not sent. «-» reads a tar (plain, gzip or zstd) or a bare Dockerfile from stdin.
Ctrl-C asks whether to cancel the deployment or to leave it running; a second one quits.
With a berth.yaml, settings that it does not name go back to their defaults (docs/app-file.md).
With --json: one event a line, the last one is {"event":"result",…} (docs/cli.md).

Examples:
  $ berth deploy
  $ berth deploy ./web --app shop --env MODE=production
  $ berth deploy -f docker/Dockerfile.prod --target runtime --build-arg VERSION=3
  $ berth deploy --replicas 2 --memory 256m --ready-path /healthz
  $ berth deploy --strategy canary --canary-steps 5%:10m,50%:10m
  $ berth deploy --image library/busybox:latest --app box --command 'httpd -f -p 8080'
  $ berth deploy --preview pr-12 --app shop
  $ git archive HEAD | berth deploy - --app shop
  $ url=$(berth deploy --quiet)`,
    )
    .action(deploy);
}

async function deploy(directory: string | undefined, options: DeployOptions): Promise<void> {
  const startedMs = performance.now();
  if (options.image !== undefined && directory !== undefined) throw usageError("--image builds nothing: leave DIR away.", "The app is named with --app.");
  if (directory === "-" && options.file === "-") throw usageError("Stdin is the context or the Dockerfile, and not both.", "With «-» as DIR, -f is a path within the tar.");
  const place = directory === undefined || directory === "-" ? "." : directory;
  // What builds no directory takes a file only when it is named: it may be another app's.
  const file = options.config === undefined && (directory === "-" || options.image !== undefined) ? undefined : await readAppFile(place, options.config);
  const target = options.target ?? file?.target;
  const named = settingsPatch(options);
  const notOfPreviews = Object.entries(NOT_OF_PREVIEWS).flatMap(([name, flags]) => (name in named ? flags : []));
  if (options.preview !== undefined && notOfPreviews.length > 0) throw usageError(`A preview has at most one instance and none of the app's volumes: it takes no ${notOfPreviews.join(", ")}.`, "Leave that away; in a file it is passed over.");
  const config = {
    buildArgs: { ...file?.buildArgs, ...parsePairs(options.buildArg ?? [], process.env) },
    env: { ...file?.env, ...parsePairs(options.env ?? [], process.env) },
    settings: await allSettings(file?.settings, named),
    ...(file?.labels === undefined ? {} : { labels: file.labels }),
    ...(target === undefined ? {} : { target }),
  };
  const { out, client } = openSession(options);
  const parent = await chooseApp(options.app ?? file?.app, place);
  const app = options.preview === undefined ? parent : (await client.putPreview(parent, options.preview)).app.name;
  if (options.preview !== undefined) for (const name of Object.keys(NOT_OF_PREVIEWS) as (keyof typeof NOT_OF_PREVIEWS)[]) delete config.settings[name];
  const dockerfile = options.file ?? (file?.dockerfile === undefined || directory === "-" ? file?.dockerfile : join(place, file.dockerfile));
  const { runDeploy } = await import("../deploy/run.ts");
  await runDeploy({ out, client, app, directory: directory ?? ".", options: { ...options, ...(dockerfile === undefined ? {} : { file: dockerfile }) }, config, startedMs });
}
