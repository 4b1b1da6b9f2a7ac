/** The agent's decisions: pure, time as an argument. */
import type { DesiredInstance, DesiredState, Exit } from "../core/contract/node-channel.ts";
import type { Check } from "../core/contract/checks.ts";
import type { InstanceId } from "../core/contract/ids.ts";
import type { RestartPolicy } from "../core/contract/pods.ts";
import { sizeOfAll, type Size } from "../core/domain/pods.ts";

/** Short enough for 128 of them in one page of mount options, long enough that nobody finds a second layer of the name. */
const LAYER_NAME_DIGITS = 24;
export function layerName(diffId: string): string {
  return diffId.slice("sha256:".length, "sha256:".length + LAYER_NAME_DIGITS);
}

/** The layers of all containers, each once. */
export function layersOf({ layers, init = [], sidecars = [] }: DesiredInstance): DesiredInstance["layers"] {
  const all = [layers, ...[...init, ...sidecars].map((one) => one.layers)].flat();
  return [...new Map(all.map((layer) => [layer.diffId, layer])).values()];
}

/** How a layer is compressed, or undefined for a media type that nobody knows. */
export function compressionOf(mediaType: string): "gzip" | "zstd" | "none" | undefined {
  if (/[.+]gzip$/.test(mediaType)) return "gzip";
  if (mediaType.endsWith("+zstd")) return "zstd";
  return /[.]tar$/.test(mediaType) ? "none" : undefined;
}

/** The names to remove, least recently used first, so that the rest fits; layers in use stay. */
export function layersToEvict(entries: readonly { name: string; bytes: number; usedAt: number }[], inUse: ReadonlySet<string>, maxBytes: number): string[] {
  let total = entries.reduce((sum, entry) => sum + entry.bytes, 0);
  const evicted: string[] = [];
  for (const entry of entries.toSorted((a, b) => a.usedAt - b.usedAt)) {
    if (total <= maxBytes) break;
    if (inUse.has(entry.name)) continue;
    total -= entry.bytes;
    evicted.push(entry.name);
  }
  return evicted;
}

/** Whether a desired state may replace the one that is acted on: never an older one. */
export function accepts(current: number, next: Pick<DesiredState, "generation">): boolean {
  return next.generation >= current;
}

export type InstanceAction = { kind: "start"; instance: DesiredInstance } | { kind: "refresh"; instance: DesiredInstance } | { kind: "stop"; id: InstanceId };

/** What to do so that exactly the desired instances are here. An instance never changes: only its layers' URLs do. */
export function planInstances(desired: readonly DesiredInstance[], present: ReadonlySet<InstanceId>): InstanceAction[] {
  const wanted = new Set(desired.map((instance) => instance.id));
  return [
    ...desired.map((instance) => ({ kind: present.has(instance.id) ? ("refresh" as const) : ("start" as const), instance })),
    ...[...present].filter((id) => !wanted.has(id)).map((id) => ({ kind: "stop" as const, id })),
  ];
}

/** How long changes are gathered before all instances are reported: the more there are, the more one report costs. */
export function reportDelayMs(instances: number): number {
  return 3 + instances / 10;
}

/**
 * How long changes are gathered before the resolver is told who is who: `cpuMs` is what the last time took, and it may take a
 * twentieth of one cpu. Never so long that names would come later than those wait who have only just started.
 */
export function namesDelayMs(cpuMs: number): number {
  return Math.min(1000, Math.max(10, cpuMs * 20));
}

const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 60_000;
/** Up for so long, an instance counts as healthy: its next crash is a first one again. */
export const BACKOFF_RESET_MS = 600_000;

/** How long to wait before the start that follows `crashes` crashes in a row (1, 2, 3 …). */
export function restartPauseMs(crashes: number): number {
  return Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (crashes - 1));
}

/** Whether what ended so is started again. */
export function isRestarted(policy: RestartPolicy, exit: Pick<Exit, "code" | "oomKilled">): boolean {
  return policy === "always" || (policy === "on-failure" && (exit.code !== 0 || exit.oomKilled));
}

/** What the containers of an instance may use together. */
export function groupSize({ limits, sidecars, init }: Pick<DesiredInstance, "limits" | "sidecars" | "init">): Size {
  // The group must have room for the most that one in it has.
  const main = { ...limits, cpuMillis: Math.max(limits.cpuMillis, limits.startupCpuMillis ?? 0) };
  return sizeOfAll(main, (sidecars ?? []).map((one) => one.limits), (init ?? []).map((one) => one.limits));
}

/** What its control group is weighed by: one container alone has no more while it starts. */
export function cpuWeightMillis(desired: Pick<DesiredInstance, "limits" | "sidecars" | "init">): number {
  const isAlone = (desired.sidecars ?? []).length + (desired.init ?? []).length === 0;
  return isAlone ? desired.limits.cpuMillis : groupSize(desired).cpuMillis;
}

/** How long to wait before the next probe: dense while an app boots, sparse when it takes long. */
export function probePauseMs(elapsedMs: number): number {
  return Math.min(1000, Math.max(5, elapsedMs / 10));
}

/** What checks have said of an instance: how it counts, and how many in a row said otherwise. */
export interface Health {
  isWell: boolean;
  against: number;
}

/** One more answer: it counts as otherwise only after so many in a row. */
export function judge(health: Health, isWell: boolean, limits: { failures: number; successes: number }): Health {
  if (isWell === health.isWell) return { isWell, against: 0 };
  const against = health.against + 1;
  return against >= (isWell ? limits.successes : limits.failures) ? { isWell, against: 0 } : { isWell: health.isWell, against };
}

export interface Listener {
  address: "any" | "loopback" | "other";
  port: number;
}

const LISTEN = "0A";
const ANY = new Set(["00000000", "00000000000000000000000000000000"]);
const LOOPBACK = /^(?:[0-9A-F]{6}7F|0{24}01000000|0{16}FFFF0000[0-9A-F]{6}7F)$/;

/** Listening sockets in the text of `/proc/<pid>/net/tcp` or `tcp6` (little-endian hexadecimal addresses). */
export function parseListeners(text: string): Listener[] {
  return text.split("\n").flatMap((line) => {
    const [, local, , state] = line.trim().split(/\s+/);
    const [address = "", port = ""] = local?.split(":") ?? [];
    if (state !== LISTEN || port === "") return [];
    const kind = ANY.has(address) ? "any" : LOOPBACK.test(address) ? "loopback" : "other";
    return [{ address: kind, port: Number.parseInt(port, 16) } as const];
  });
}

/** What a check asks of an app: «did not …». */
export function asked(check: Check): string {
  if (check.kind === "exec") return `let «${check.command[0]}» end with 0`;
  const at = check.port === undefined ? "" : ` on port ${check.port}`;
  if (check.kind === "grpc") return `answer grpc.health.v1.Health/Check${check.service ? ` of «${check.service}»` : ""} with SERVING${at}`;
  return check.kind === "tcp" ? `accept a connection${at}` : `answer GET ${check.path} with 200 to 399${at}`;
}

/** Why an app that did not become ready is not: by what it listens on. */
export function explainNotReady(port: number, listeners: readonly Listener[] | undefined, waitedMs: number, check: Check) {
  const waited = `within ${Math.round(waitedMs / 1000)} s`;
  if (check.kind === "exec") return { code: "app_unhealthy" as const, detail: `The program «${check.command[0]}» that says whether the app is ready did not end with 0 ${waited}.` };
  if (check.port !== undefined && check.port !== port) return { code: "app_unhealthy" as const, detail: `The app did not ${asked(check)} ${waited}.` };
  if (listeners === undefined) return { code: "app_unhealthy" as const, detail: `The app did not ${asked(check)} on port ${port} ${waited}. Does it listen on 0.0.0.0, and on that port?` };
  const onPort = listeners.filter((listener) => listener.port === port);
  if (onPort.some((listener) => listener.address !== "loopback")) {
    return { code: "app_unhealthy" as const, detail: `The app listens on port ${port} but did not ${asked(check)} ${waited}.` };
  }
  if (onPort.length > 0) {
    return { code: "app_wrong_port" as const, detail: `The app listens on port ${port} of 127.0.0.1 only. Make it listen on 0.0.0.0.` };
  }
  const others = [...new Set(listeners.filter((listener) => listener.address !== "loopback").map((listener) => listener.port))].toSorted((a, b) => a - b);
  if (others.length > 0) {
    const named = others.join(", ");
    return {
      code: "app_wrong_port" as const,
      detail: `The app listens on port ${named}, not on ${port}. Let it read the variable PORT, or deploy with --port ${others[0]}.`,
    };
  }
  return { code: "app_not_listening" as const, detail: `The app runs but did not listen on port ${port} ${waited}. Let it read the variable PORT.` };
}

const EXEC_FAILED = /^exec container process(?<missing> \(missing dynamic library\?\))? `(?<program>.*)`: (?<reason>.*)$/;

/** What crun wrote into the log when the kernel refused the program, for the image's author; undefined for any other line. */
export function explainExec(line: string) {
  const { program, missing, reason = "" } = EXEC_FAILED.exec(line)?.groups ?? {};
  if (program === undefined) return undefined;
  const why = missing ? "its interpreter or its loader is not in the image" : /exec format/i.test(reason) ? "it is not made for this machine, or it is a script without a «#!» line" : reason;
  return { code: "image_invalid" as const, detail: `The program «${program}» could not be started: ${why}.` };
}

/** Why a program could not be started beside the app, by what crun said. */
export function explainExecFailure(program: string, said: string): string {
  const line = said.trim().split("\n").at(-1)?.trim() ?? "";
  if (/not found in \$PATH|no such file or directory/i.test(line)) return `The program «${program}» is not in the image.`;
  if (/not executable|permission denied|not a regular file/i.test(line)) return `The program «${program}» may not be executed by the app's user.`;
  if (/exec format/i.test(line)) return `The program «${program}» is not made for this machine, or is a script without a «#!» line.`;
  return `The program «${program}» could not be started${line === "" ? "" : `: ${line}`}.`;
}
