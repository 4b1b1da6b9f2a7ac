import { Option, type Command } from "commander";
import { chooseApp } from "../app-name.ts";
import { finishDeployment } from "../deploy/finish.ts";
import { usageError } from "../errors.ts";
import { settingsPatch, type SettingsFlags } from "../flags.ts";
import { APP_OPTION, commonOptions, openSession, type CommonOptions } from "../session.ts";
import { settingsOptions } from "../settings-options.ts";

interface Options extends CommonOptions, SettingsFlags {
  app?: string;
  detach?: boolean;
  resetPort?: boolean;
  resetCommand?: boolean;
}

export function define(command: Command): void {
  settingsOptions(commonOptions(command).option(...APP_OPTION))
    .addOption(new Option("--reset-port", "go back to the image's EXPOSE").conflicts("port"))
    .addOption(new Option("--reset-command", "go back to the image's CMD").conflicts("command"))
    .option("-d, --detach", "do not wait until it is live")
    .addHelpText(
      "after",
      `
Only what you name changes. The change is rolled out without a gap.

Examples:
  $ berth scale hello --replicas 3
  $ berth scale hello --min 0 --max 10     by demand; frozen, and at last without an instance, when nobody asks
  $ berth scale hello --min 1 --no-freeze  by demand, and always one that runs
  $ berth scale hello --memory 256m --cpu 0.5
  $ berth scale hello --ready-path /healthz`,
    )
    .action(scale);
}

async function scale(named: string | undefined, options: Options): Promise<void> {
  const startedMs = performance.now();
  const patch = {
    ...settingsPatch(options),
    ...(options.resetPort === true ? { port: null } : {}),
    ...(options.resetCommand === true ? { command: null } : {}),
  };
  if (Object.keys(patch).length === 0) throw usageError("Nothing to change was named.", "Example: berth scale hello --replicas 3");
  const { out, client } = openSession(options);
  const app = await chooseApp(named ?? options.app, ".");
  const answer = await client.patchSettings(app, patch);
  if ("state" in answer) {
    await finishDeployment({ out, client, deployment: answer, detach: options.detach === true, startedMs });
    return;
  }
  out.event({ event: "result", ok: true, app, url: answer.url, state: null, deployment: null });
  out.line(`Stored; it takes effect with the first deployment of ${app}.`);
}
