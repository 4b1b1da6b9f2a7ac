/** Reading the values of options: pure, with errors that say what is accepted. */
import type { SettingsPatch } from "../client/index.ts";
import { usageError } from "./errors.ts";
import { httpPatch, type HttpFlags } from "./http-flags.ts";
import { strategyPatch, type StrategyFlags } from "./strategy-flags.ts";

const MEMORY_UNITS: Record<string, number> = { "": 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30, t: 2 ** 40 };

/** `512m`, `1g`, `64Mi`, `1.5GiB`, `268435456`: bytes. Units are powers of 1024, as Docker's. */
export function parseMemory(text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*(?:([kmgt])i?)?b?$/i.exec(text.trim());
  const unit = MEMORY_UNITS[match?.[2]?.toLowerCase() ?? ""];
  if (match?.[1] === undefined || unit === undefined) throw usageError(`«${text}» is not an amount of memory.`, "Examples: 512m, 1g, 268435456");
  return Math.round(Number(match[1]) * unit);
}

/** `0.5`, `2`, `500m`: thousandths of a cpu. */
export function parseCpu(text: string): number {
  const match = /^(\d+(?:\.\d+)?)(m?)$/.exec(text.trim());
  if (match?.[1] === undefined) throw usageError(`«${text}» is not an amount of cpu.`, "Examples: 0.5, 2, 250m");
  return Math.round(Number(match[1]) * (match[2] === "m" ? 1 : 1000));
}

/** A whole number within limits, for commander. */
export function wholeNumber(name: string, min: number, max: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!/^\d+$/.test(text) || value < min || value > max) throw usageError(`${name} is a whole number from ${min} to ${max}, and not «${text}».`);
    return value;
  };
}

/** `5s`, `500ms`, `2m`, `10` (seconds): milliseconds. */
export function parseDuration(text: string): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m)?$/.exec(text.trim());
  if (match?.[1] === undefined) throw usageError(`«${text}» is not a duration.`, "Examples: 30s, 500ms, 2m");
  const unit = { ms: 1, s: 1000, m: 60_000 }[match[2] ?? "s"] ?? 1000;
  return Math.round(Number(match[1]) * unit);
}

const AGO_MS: Record<string, number> = { m: 60_000, h: 3_600_000, d: 86_400_000, w: 7 * 86_400_000 };

/** `2026-03-01`, `2026-03-01T14:00:00Z`, or so long ago: `30m`, `24h`, `7d`, `2w`. For commander: gives a time in ISO 8601. */
export function moment(name: string, nowMs: () => number = Date.now): (text: string) => string {
  return (text) => {
    const ago = /^(\d{1,5})([mhdw])$/.exec(text);
    if (ago) return new Date(nowMs() - Number(ago[1]) * (AGO_MS[ago[2] ?? ""] ?? 0)).toISOString();
    const at = /^\d{4}-\d\d-\d\d(T\S+)?$/.test(text) ? new Date(text) : undefined;
    if (at === undefined || Number.isNaN(at.getTime())) throw usageError(`${name} is a day, a time or how long ago, and not «${text}».`, "Examples: 2026-03-01, 2026-03-01T14:00:00Z, 24h, 7d");
    return at.toISOString();
  };
}

/** As in a Dockerfile: a JSON array is taken as it is, anything else is run by `/bin/sh -c`. */
export function parseCommand(text: string): string[] {
  if (!text.trimStart().startsWith("[")) {
    if (text.trim() === "") throw usageError("--command must not be empty.");
    return ["/bin/sh", "-c", text];
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    value = undefined;
  }
  if (!Array.isArray(value) || value.length === 0 || !value.every((part) => typeof part === "string")) {
    throw usageError(`«${text}» is not a JSON array of strings.`, `Example: --command '["python","web.py"]'`);
  }
  return value as string[];
}

const SPAN_SECONDS: Record<string, number> = { s: 1, m: 60, h: 3600, d: 86_400, w: 604_800 };

/** `90d`, `12h`, `30m`: seconds, for commander. */
export function span(name: string): (text: string) => number {
  return (text) => {
    const match = /^(\d{1,6})([smhdw])$/.exec(text.trim());
    const unit = SPAN_SECONDS[match?.[2] ?? ""];
    if (match?.[1] === undefined || unit === undefined) throw usageError(`${name} is a span of time, and not «${text}».`, "Examples: 30m, 12h, 90d, 2w");
    return Number(match[1]) * unit;
  };
}

/** `read,deploy`, for commander: of those that there are. */
export function listOf<T extends string>(name: string, known: readonly T[]): (text: string, before: T[] | undefined) => T[] {
  return (text, before) => {
    const names = text.split(",").map((part) => part.trim()).filter((part) => part !== "");
    const unknown = names.find((one) => !known.includes(one as T));
    if (unknown !== undefined || names.length === 0) throw usageError(`${name}: there is no «${unknown ?? text}».`, `There are: ${known.join(", ")}.`);
    return [...(before ?? []), ...(names as T[])];
  };
}

/** `name=value` pairs whose names are free. */
export function parseClaims(pairs: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    pairs.map((pair) => {
      const at = pair.indexOf("=");
      if (at < 1 || at === pair.length - 1) throw usageError(`«${pair}» is no claim with its value.`, "Example: --claim sub=repo:acme/shop:ref:refs/heads/main");
      return [pair.slice(0, at), pair.slice(at + 1)];
    }),
  );
}

const ENV_NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;

/** `K=V`, or `K` alone for the value that it has here, as Docker does. Later ones win. */
export function parsePairs(pairs: readonly string[], env: Record<string, string | undefined>): Record<string, string> {
  const values: Record<string, string> = {};
  for (const pair of pairs) {
    const at = pair.indexOf("=");
    const name = at === -1 ? pair : pair.slice(0, at);
    if (!ENV_NAME.test(name)) throw usageError(`«${name}» is not the name of a variable.`, "Letters, digits and _, and no digit first: NAME=value");
    const value = at === -1 ? env[name] : pair.slice(at + 1);
    if (value === undefined) throw usageError(`${name} has no value, and is not set here.`, `Say ${name}=value.`);
    values[name] = value;
  }
  return values;
}

/** `NAME=VALUE` sets a label, `NAME-` removes it. Later ones win. */
export function parseLabels(changes: readonly string[]): Record<string, string | null> {
  const patch: Record<string, string | null> = {};
  for (const change of changes) {
    const at = change.indexOf("=");
    if (at > 0) patch[change.slice(0, at)] = change.slice(at + 1);
    else if (at === -1 && change.length > 1 && change.endsWith("-")) patch[change.slice(0, -1)] = null;
    else throw usageError(`«${change}» changes no label.`, "NAME=VALUE sets one, NAME- removes it.");
  }
  return patch;
}

/** `data:/var/lib/data`, then in any order a size (made with it, if there is none), `ro` and `shared`. */
export function parseMount(text: string): NonNullable<SettingsPatch["mounts"]>[number] {
  const [volume = "", path = "", ...rest] = text.split(":");
  const size = rest.find((part) => /^\d/.test(part));
  if (volume === "" || !path.startsWith("/") || rest.some((part) => part !== size && part !== "ro" && part !== "shared")) {
    throw usageError(`«${text}» is no mount.`, "Examples: data:/var/lib/data, data:/var/lib/data:1g, data:/data:ro, data:/data:shared");
  }
  return { volume, path, ...(size === undefined ? {} : { sizeBytes: parseMemory(size) }), readOnly: rest.includes("ro"), shared: rest.includes("shared") };
}

/** `/tmp/cache:1g`. */
export function parseScratch(text: string): NonNullable<SettingsPatch["scratch"]>[number] {
  const [, path, size = ""] = /^(\/.*):([^:]+)$/.exec(text) ?? [];
  if (path === undefined) throw usageError(`«${text}» is no scratch directory.`, "Example: /tmp/cache:1g");
  return { path, sizeBytes: parseMemory(size) };
}

/** For options that may be repeated. */
export function repeated(value: string, before: string[] | undefined): string[] {
  return [...(before ?? []), value];
}

export interface SettingsFlags extends HttpFlags, StrategyFlags {
  replicas?: number;
  min?: number;
  max?: number;
  cpuPercent?: number;
  freezeAfter?: number;
  /** Commander's default of a negated option is true: only false was named. */
  freeze?: boolean;
  memory?: number;
  disk?: number;
  cpu?: number;
  port?: number;
  private?: boolean;
  command?: string[];
  readyPath?: string;
  recheck?: number;
  livePath?: string;
  /** Empty: none. */
  releaseCommand?: string[];
  /** Empty: none. */
  preStop?: string[];
  readyTimeout?: number;
  stopGrace?: number;
  concurrency?: number;
  isolation?: "crun" | "gvisor";
  /** All of them; one that is empty: none. */
  mount?: string[];
  scratch?: string[];
}

/** The contract's defaults; the CLI does not load its schemas. */
const CHECK_PACE = { periodMs: 10_000, timeoutMs: 2000, failures: 3 };

/** Only what was named. An empty `--ready-path` goes back to a TCP connect. */
export function settingsPatch(flags: SettingsFlags): SettingsPatch {
  const { replicas, min, max, cpuPercent, freezeAfter, freeze, memory, disk, cpu, port, private: isPrivate, command, readyPath, recheck, livePath, preStop, releaseCommand, readyTimeout, stopGrace, concurrency, isolation, mount, scratch } = flags;
  for (const [name, path] of [["--ready-path", readyPath], ["--live-path", livePath]] as const) {
    if (path !== undefined && path !== "" && !/^\/[\x21-\x7e]*$/.test(path)) throw usageError(`${name} is a path that starts with /, and not «${path}».`);
  }
  if (recheck !== undefined && readyPath === undefined) throw usageError("--recheck says how often --ready-path is asked: name both.");
  const again = recheck === undefined ? {} : { recheck: { ...CHECK_PACE, periodMs: recheck, successes: 1 } };
  if (freeze === false && freezeAfter !== undefined) throw usageError("--no-freeze and --freeze-after do not go together.");
  const http = httpPatch(flags);
  const strategy = strategyPatch(flags);
  const scaling = { ...(min === undefined ? {} : { min }), ...(max === undefined ? {} : { max }), ...(cpuPercent === undefined ? {} : { cpuPercent }) };
  return {
    ...(Object.keys(scaling).length === 0 ? {} : { scaling }),
    ...(freeze === false ? { freezeAfterMs: 0 } : freezeAfter === undefined ? {} : { freezeAfterMs: freezeAfter }),
    ...(replicas === undefined ? {} : { replicas }),
    ...(port === undefined ? {} : { port }),
    ...(isPrivate === undefined ? {} : { private: isPrivate }),
    ...(command === undefined ? {} : { command }),
    ...(memory === undefined ? {} : { memoryBytes: memory }),
    ...(disk === undefined ? {} : { diskBytes: disk }),
    ...(cpu === undefined ? {} : { cpuMillis: cpu }),
    ...(readyPath === undefined ? {} : { readiness: readyPath === "" ? { kind: "tcp", ...again } : { kind: "http", path: readyPath, ...again } }),
    ...(livePath === undefined ? {} : { liveness: livePath === "" ? null : { kind: "http", path: livePath, ...CHECK_PACE } }),
    ...(releaseCommand === undefined ? {} : { releaseCommand: releaseCommand.length === 0 ? null : { command: releaseCommand } }),
    ...(preStop === undefined ? {} : { preStop: preStop.length === 0 ? null : { kind: "exec", command: preStop } }),
    ...(readyTimeout === undefined ? {} : { readyTimeoutMs: readyTimeout }),
    ...(stopGrace === undefined ? {} : { stopGraceMs: stopGrace }),
    ...(concurrency === undefined ? {} : { concurrency }),
    ...(isolation === undefined ? {} : { isolation }),
    ...(mount === undefined ? {} : { mounts: mount.every((one) => one === "") ? null : mount.map(parseMount) }),
    ...(scratch === undefined ? {} : { scratch: scratch.every((one) => one === "") ? null : scratch.map(parseScratch) }),
    ...(http === undefined ? {} : { http }),
    ...(strategy === undefined ? {} : { strategy }),
  };
}
