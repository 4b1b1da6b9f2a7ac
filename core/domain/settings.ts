/** Changing an app's settings and environment. */
import { AppError } from "../contract/errors.ts";
import { SettingsSchema, type Settings, type SettingsPatch } from "../contract/release-config.ts";

/** The settings with what the patch names; `null` takes a field back to its default. */
export function applySettingsPatch(settings: Settings, patch: SettingsPatch): Settings {
  const merged: Record<string, unknown> = { ...settings };
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) delete merged[name];
    else if (value !== undefined) merged[name] = value;
  }
  return SettingsSchema.parse(merged);
}

/** Every instance's environment travels to its node: one app must not fill the channel that all share. */
const ENV_MAX_CHARS = 65_536;

/** The environment with what the patch names; `null` removes a variable. @throws AppError invalid_config */
export function applyEnvPatch(env: Readonly<Record<string, string>>, patch: Readonly<Record<string, string | null>>): Record<string, string> {
  const merged: Record<string, string> = { ...env };
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) delete merged[name];
    else merged[name] = value;
  }
  const chars = Object.entries(merged).reduce((sum, [name, value]) => sum + name.length + value.length, 0);
  if (chars > ENV_MAX_CHARS) throw new AppError("invalid_config", `The environment has ${chars} characters, names and values together; it may have ${ENV_MAX_CHARS}.`);
  return merged;
}
