/** Which app a command is about: what was named, else what the directory's `berth.yaml` says, else the directory's name. */
import { basename, resolve } from "node:path";
import { APP_NAME_MAX, isAppName, isKnownName } from "../core/domain/names.ts";
import { appOfFile } from "./app-file.ts";
import { usageError } from "./errors.ts";

/** Throws a usage error that suggests a name where the one in hand cannot be part of a URL. */
export async function chooseApp(named: string | undefined, directory: string): Promise<string> {
  const name = named ?? (await appOfFile(directory)) ?? basename(resolve(directory));
  // A preview is named, never guessed.
  if (isAppName(name) || (named !== undefined && isKnownName(name))) return name;
  const { AppNameSchema } = await import("../core/contract/names.ts");
  const rule = AppNameSchema.safeParse(name).error?.issues[0]?.message ?? "it is not valid";
  const suggestion = suggestName(name, APP_NAME_MAX);
  const hint = suggestion === "" ? "Choose a name: --app NAME" : `Perhaps: --app ${suggestion}`;
  if (named !== undefined || name !== basename(resolve(directory))) throw usageError(`«${name}» cannot be an app's name: ${rule}.`, hint);
  throw usageError(`The directory's name «${name}» cannot be the app's: ${rule}.`, hint);
}

/** The nearest name that is safe in DNS; empty when nothing is left of it. */
export function suggestName(name: string, maxLength: number): string {
  return name
    .normalize("NFKD")
    .toLowerCase()
    .replace(/[\u0300-\u036f]/g, "")
    .replace(/[^a-z0-9]+/g, "-")
    .slice(0, maxLength)
    .replace(/^-+|-+$/g, "");
}
