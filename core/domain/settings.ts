/** Changing an app's settings and environment. */
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

/** The environment with what the patch names; `null` removes a variable. */
export function applyEnvPatch(env: Readonly<Record<string, string>>, patch: Readonly<Record<string, string | null>>): Record<string, string> {
  const merged: Record<string, string> = { ...env };
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) delete merged[name];
    else merged[name] = value;
  }
  return merged;
}
