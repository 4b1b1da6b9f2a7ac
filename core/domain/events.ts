/** What happens to an app's instances, as it is written down and told. Pure. */
import type { Scaling } from "../contract/scaling.ts";
import { TARGET_UTILISATION, type ScaleCause } from "./autoscale.ts";
import { scheduledNow, scheduleInWords } from "./schedule.ts";
import type { InstanceState } from "./states.ts";
import type { Temperature, TemperatureCause } from "./temperature.ts";

/**
 * scaled: the number of instances that are wanted has changed; placed, draining, stopping, gone: of one instance, by
 * Berth; share: a canary gets another share of the requests; given-up, rolled-back: a release that failed before or after
 * it was live; kept, revived: of an instance of the release before, frozen and brought back; ready, crashed, failed: of one, as its node said; woken, frozen, standby, cold: how warm it is kept.
 */
export const EVENT_KINDS = ["scaled", "live", "share", "given-up", "rolled-back", "placed", "ready", "woken", "frozen", "standby", "cold", "draining", "kept", "revived", "stopping", "crashed", "failed", "gone"] as const;
export type EventKind = (typeof EVENT_KINDS)[number];

const SCALED: Record<ScaleCause | "request", string> = {
  "in-flight": "requests in flight",
  rate: "requests a second",
  cpu: "cpu in use",
  memory: "memory in use",
  schedule: "its scheduled hours have begun",
  minimum: "its minimum",
  maximum: "demand beyond its maximum",
  idle: "nobody asked for it",
  panic: "a burst of requests",
  "no-samples": "nothing is known of its load",
  "step-limit": "the most in one step",
  request: "a request came",
};
const COOLED: Record<TemperatureCause, string> = {
  idle: "nobody asked for it",
  request: "a request came",
  knock: "something came for it directly",
  "memory-pressure": "its node is short of memory",
  exec: "somebody works in it",
  schedule: "its scheduled hours have begun",
  "kept-warm": "it is kept for a rollback",
  rollback: "its release is live again",
};
const PLANNED = { rollout: "a new release", scale: "more are wanted", surplus: "fewer are wanted", superseded: "another release is live", rollback: "its release is live again", destroyed: "its app was destroyed", "node-lost": "its node is lost", "node-drained": "its node is being emptied", failed: "it did not start", "not-woken": "it could not be woken where it was" } as const;
export type PlanCause = keyof typeof PLANNED;

/** A cause as people read it; what is not known, such as an error's code, as it is. */
export function causeInWords(cause: string): string {
  const known: Record<string, string> = { ...PLANNED, ...SCALED, ...COOLED };
  return known[cause] ?? cause;
}

export interface ExplainedInstance {
  state: InstanceState;
  phase: string | null;
  temperature: Temperature | null;
  cause: TemperatureCause | null;
}

export interface AppFacts {
  /** Of the live release, else of the one that comes. */
  scaling: Omit<Scaling, "idleMs"> | undefined;
  concurrency: number;
  replicas: number;
  /** Quiet for so long it is frozen; undefined: never. */
  freezeAfterMs: number | undefined;
  isLive: boolean;
  isRollingOut: boolean;
  scaledTo: number | null;
  scaledBy: ScaleCause | "request" | null;
  scaledAtMs: number | null;
  instances: readonly ExplainedInstance[];
}

const count = (n: number) => (n === 0 ? "no instance" : n === 1 ? "one instance" : `${n} instances`);
const INSTANCES_AS: Record<Temperature, string> = {
  running: "running",
  frozen: "frozen, with its memory and without cpu; a request thaws it in about a millisecond",
  standby: "in standby; when a request comes it must only boot",
  cold: "cold; when a request comes it is started from its node's disk",
};

/** Why the app has the instances that it has, in sentences. */
export function explainApp(facts: AppFacts, nowMs: number): string[] {
  const mine = facts.instances.filter(({ state }) => state === "wanted");
  if (!facts.isLive && !facts.isRollingOut) return ["It has no instance: nothing of it is live yet. Deploy it."];
  return [whyMany(facts, nowMs), ...targets(facts), ...hours(facts, nowMs), ...(facts.isRollingOut ? ["A new release is on its way: its instances start beside those of the live one."] : []), ...howWarm(mine), ...leaving(facts.instances), sleepRule(facts)];
}

function whyMany({ scaling, replicas, scaledTo, scaledBy, scaledAtMs }: AppFacts, nowMs: number): string {
  if (scaling === undefined) return `It should have ${count(replicas)}: a fixed number (--replicas).`;
  const wanted = Math.min(Math.max(scaledTo ?? 1, scaling.min), scaling.max);
  const bounds = `between ${scaling.min} and ${scaling.max}`;
  if (scaledTo === null || scaledBy === null) return `It should have ${count(wanted)}, ${bounds} by demand; the autoscaler has not changed that yet.`;
  const when = scaledAtMs === null ? "" : ` ${age(nowMs - scaledAtMs)} ago`;
  return `It should have ${count(wanted)}, ${bounds} by demand; that was decided${when}: ${causeInWords(scaledBy)}.`;
}

/** What one instance is meant to carry. */
function targets({ scaling, concurrency }: AppFacts): string[] {
  if (scaling === undefined) return [];
  const { inFlight = concurrency * TARGET_UTILISATION, ratePerSecond, cpuPercent, memoryPercent } = scaling;
  const carries = [
    `${Number(inFlight.toFixed(1))} requests in flight`,
    ...(ratePerSecond === undefined ? [] : [`${ratePerSecond} requests a second`]),
    ...(cpuPercent === undefined ? [] : [`${cpuPercent} % of its cpu`]),
    ...(memoryPercent === undefined ? [] : [`${memoryPercent} % of its memory`]),
  ];
  return [`One instance is meant for ${carries.join(", ")}; ${carries.length === 1 ? "with more" : "with more of any"} another one comes.`];
}

function hours({ scaling }: AppFacts, nowMs: number): string[] {
  const { schedule = [] } = scaling ?? {};
  if (schedule.length === 0) return [];
  const now = scheduledNow(schedule, nowMs);
  return [`By its schedule it has at least ${schedule.map(scheduleInWords).join("; ")}. Now that is ${now === undefined ? "none of these" : `at least ${now.min}`}.`];
}

function howWarm(mine: readonly ExplainedInstance[]): string[] {
  const starting = mine.filter(({ phase }) => phase !== "ready").length;
  const sentences = Object.entries(INSTANCES_AS).flatMap(([temperature, how]) => {
    const these = mine.filter((one) => one.phase === "ready" && (one.temperature ?? "running") === temperature);
    const [first] = these;
    if (first === undefined) return [];
    const why = temperature === "running" || first.cause === null ? "" : ` (${causeInWords(first.cause)})`;
    return [`Of ${count(mine.length)}, ${these.length} ${these.length === 1 ? "is" : "are"} ${how}${why}.`];
  });
  return [...sentences, ...(starting > 0 ? [`Of ${count(mine.length)}, ${starting} ${starting === 1 ? "does" : "do"} not take requests yet.`] : [])];
}

function leaving(instances: readonly ExplainedInstance[]): string[] {
  const leaves = instances.filter(({ state }) => state === "draining" || state === "stopping").length;
  const kept = instances.filter(({ state }) => state === "warm").length;
  const keeps = kept === 0 ? [] : [`${kept} more of the release before ${kept === 1 ? "is" : "are"} kept frozen for a while: a rollback has ${kept === 1 ? "it" : "them"} at once.`];
  return leaves === 0 ? keeps : [...keeps, `${leaves} more ${leaves === 1 ? "ends its" : "end their"} last requests and then ${leaves === 1 ? "stops" : "stop"}.`];
}

function sleepRule({ freezeAfterMs, scaling }: AppFacts): string {
  if (freezeAfterMs === undefined) return "Its instances are never frozen.";
  const deeper = scaling?.min === 0 ? ", and sleeps more deeply the longer nobody asks for it" : "";
  return `An instance that nobody asks for is frozen after ${age(freezeAfterMs)}${deeper}. --no-freeze keeps it running.`;
}

function age(ms: number): string {
  const s = Math.max(0, Math.round(ms / 1000));
  if (s < 120) return `${s} s`;
  if (s < 7200) return `${Math.round(s / 60)} min`;
  return s < 172_800 ? `${Math.round(s / 3600)} h` : `${Math.round(s / 86_400)} days`;
}
