import { Argument, type Command } from "commander";
import { SCRIPTS } from "../completion-scripts.ts";
import { commonOptions } from "../session.ts";

export function define(command: Command): void {
  commonOptions(command)
    .addArgument(new Argument("<shell>").choices(Object.keys(SCRIPTS)))
    .addHelpText(
      "after",
      `
Commands, options, and the names of apps, releases, contexts, variables and secrets.

Examples:
  $ source <(berth completion bash)                        in ~/.bashrc to keep it
  $ berth completion zsh > "\${fpath[1]}/_berth"
  $ berth completion fish > ~/.config/fish/completions/berth.fish`,
    )
    .action((shell: keyof typeof SCRIPTS) => void process.stdout.write(SCRIPTS[shell]));
}
