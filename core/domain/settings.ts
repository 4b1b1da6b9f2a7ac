/** Changing an app's settings and environment. */
import { AppError } from "../contract/errors.ts";
import { checkMounts } from "./mounts.ts";
import { SettingsSchema, type Settings, type SettingsPatch } from "../contract/release-config.ts";

/** The settings with what the patch names; `null` takes a field back to its default. @throws AppError invalid_config */
export function applySettingsPatch(settings: Settings, patch: SettingsPatch): Settings {
  const { scaling, http, ...rest } = patch;
  const merged = withPatch(settings, rest);
  // Who names a fixed number wants it.
  if (scaling === null || (scaling === undefined && patch.replicas !== undefined)) delete merged["scaling"];
  else if (scaling !== undefined) merged["scaling"] = withPatch(settings.scaling ?? {}, scaling);
  if (http === null) delete merged["http"];
  else if (http !== undefined) merged["http"] = withPatch(settings.http ?? {}, http);
  const parsed = SettingsSchema.safeParse(merged);
  if (parsed.success) {
    checkMounts(parsed.data);
    return parsed.data;
  }
  // Each field was checked as it came: what is left is how they fit together.
  const [issue] = parsed.error.issues;
  throw new AppError("invalid_config", `${issue?.path.join(".") ?? "settings"} ${issue?.message ?? "are not valid"}.`);
}

/** Of a preview: one instance at most, when somebody asks; nothing of the app's own volumes, and no share of its requests. */
export function previewSettings({ mounts: _mounts, strategy: _strategy, freezeAfterMs: _freezeAfterMs, scaling: _scaling, ...settings }: Settings): Settings {
  return SettingsSchema.parse({ ...settings, scaling: { min: 0, max: 1 }, keepWarmMs: 0 });
}

function withPatch(before: Readonly<Record<string, unknown>>, patch: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const merged = { ...before };
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) delete merged[name];
    else if (value !== undefined) merged[name] = value;
  }
  return merged;
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
