/** What follows the app in `berth exec` and `berth run`. Pure. */
import { usageError } from "./errors.ts";

/** `named`: the first word, which is the program's when `--app` names the app. «--» may stand before the program, as with other CLIs. @throws CliError for an option that stands there */
export function programWords(command: string, app: string | undefined, named: string | undefined, words: readonly string[]): string[] {
  if (named === "--") throw usageError("Name the app before «--».", `berth ${command} APP COMMAND…, or berth ${command} --app APP COMMAND…`);
  const all = app === undefined || named === undefined ? words : [named, ...words];
  const [first] = all;
  if (first === "--") return all.slice(1);
  if (first?.startsWith("-")) throw usageError(`«${first}» stands after the app's name: options stand before it.`, `A program of that name: berth ${command} APP -- ${first}`);
  return [...all];
}
