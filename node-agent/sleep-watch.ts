/**
 * Which instances nobody asks for, seen from the host alone: no packet at their interface, no open connection to their
 * port, hardly any cpu. They cool by their policy; what comes for a frozen one without being announced thaws it. No API,
 * no gateway and no database takes part. `docs/decisions/temperatures.md`.
 */
import { readFileSync } from "node:fs";
import type { InstanceId } from "../core/contract/ids.ts";
import { coolForMemory, coolTo, isWorking, MEMORY_PRESSURE_SHARE, mustWarm, sleepPolicyAt, type Temperature } from "../core/domain/temperature.ts";
import type { Log } from "../core/log.ts";
import type { Instance } from "./instance.ts";
import { readPackets, readSockets } from "./traffic.ts";

/** How soon an unannounced request for a frozen instance is noticed. */
const KNOCK_EVERY_MS = 100;
const LONGEST_PAUSE_MS = 1000;
const SHORTEST_PAUSE_MS = 20;
/** Looking takes at most this share of one cpu, however many instances there are. */
const COST_SHARE = 0.05;
const MEMORY_EVERY_MS = 2000;
/** Creating a container again takes work: of many that fell asleep together only so many go deeper in one look. */
const DEEPER_IN_A_LOOK = 4;

interface Seen {
  packets: number;
  quietSince: number;
  /** Cpu time when it became quiet, without the checks'. */
  cpuMs: number;
}

export interface SleepWatchOptions {
  instances: () => Iterable<readonly [InstanceId, Instance]>;
  log: Log;
  /** Available of all memory of the host, 0 to 1. */
  availableMemory?: () => number;
}

type Sleeper = NonNullable<Instance["sleeper"]>;

export class SleepWatch {
  readonly #options: SleepWatchOptions;
  #seen = new Map<InstanceId, Seen>();
  #timer: NodeJS.Timeout | undefined;
  #memoryAt = 0;
  #deeper = 0;
  #closed = false;

  constructor(options: SleepWatchOptions) {
    this.#options = options;
  }

  start(): void {
    const before = process.cpuUsage();
    let pauseMs = LONGEST_PAUSE_MS;
    try {
      pauseMs = this.#look(performance.now());
    } catch (error) {
      this.#options.log.warn({ err: error }, "sleeping instances were not looked at");
    }
    const { user, system } = process.cpuUsage(before);
    const costMs = (user + system) / 1000;
    if (!this.#closed) this.#timer = setTimeout(() => this.start(), Math.min(LONGEST_PAUSE_MS, Math.max(pauseMs, costMs / COST_SHARE)));
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
  }

  /** One look at all; how long until the next. */
  #look(now: number): number {
    const nowMs = Date.now();
    const sleepers = [...this.#options.instances()].flatMap(([id, instance]) => {
      const sleeper = instance.sleeper;
      return sleeper === undefined ? [] : [{ id, instance, sleeper: { ...sleeper, policy: sleepPolicyAt(sleeper.policy, nowMs) } }];
    });
    const seen = new Map<InstanceId, Seen>();
    this.#deeper = 0;
    if (sleepers.length > 0) {
      const packets = readPackets();
      for (const { id, instance, sleeper } of sleepers) {
        seen.set(id, this.#lookAt(id, instance, sleeper, (packets.get(sleeper.interface) ?? 0) - instance.sleeping.checks.packets, now));
      }
    }
    this.#seen = seen;
    if (now >= this.#memoryAt) this.#lookAtMemory(sleepers, now);
    const soonest = Math.min(LONGEST_PAUSE_MS, ...sleepers.map(({ sleeper }) => (sleeper.temperature === "frozen" && !sleeper.isKept ? KNOCK_EVERY_MS : Math.max(SHORTEST_PAUSE_MS, sleeper.policy.freezeAfterMs / 10))));
    return soonest;
  }

  #lookAt(id: InstanceId, instance: Instance, sleeper: Sleeper, packets: number, now: number): Seen {
    const { temperature, policy, pid, port, isKept, hasOwnKernel } = sleeper;
    const before = this.#seen.get(id);
    const seen = before ?? { packets, cpuMs: instance.sleeping.workMs, quietSince: quietSince(sleeper, now) };
    if (temperature === "running" && instance.sleeping.checks.isUnderWay) return seen;
    const isQuiet = before !== undefined && before.packets === packets;
    if (isKept) {
      // It was not ready when it was told so, or something woke it.
      if (temperature === "running") instance.sleeping.freeze("kept-warm");
      return { ...seen, packets };
    }
    if (temperature === "frozen") {
      // What came just before the freeze, too: the packets were counted before it.
      if (!isQuiet && pid !== null && (hasOwnKernel || readSockets(pid, port).waiting)) {
        void instance.sleeping.wake("knock");
        return { packets, quietSince: now, cpuMs: seen.cpuMs };
      }
    } else if (temperature === "running") {
      const wantedAt = Math.min(instance.sleeping.wantedAt, now);
      if (!isQuiet || wantedAt > seen.quietSince) return { packets, quietSince: Math.max(wantedAt, isQuiet ? 0 : now), cpuMs: instance.sleeping.workMs };
    }
    if (mustWarm(policy, temperature)) {
      void instance.sleeping.wake("schedule").catch((error: unknown) => this.#options.log.warn({ err: error, instanceId: id }, "not woken for its scheduled hours"));
      return { packets, quietSince: now, cpuMs: seen.cpuMs };
    }
    const to = coolTo(policy, temperature, now - seen.quietSince);
    if (to === temperature) return { ...seen, packets };
    if (temperature === "running" && pid !== null) {
      const sockets = readSockets(pid, port);
      const used = instance.sleeping.workMs;
      if (sockets.connections > 0 || sockets.waiting || isWorking(used - seen.cpuMs, now - seen.quietSince)) return { packets, quietSince: now, cpuMs: used };
      instance.sleeping.freeze("idle");
    } else if ((to === "standby" || to === "cold") && this.#deeper++ < DEEPER_IN_A_LOOK) instance.sleeping.cool(to, "idle");
    return { ...seen, packets };
  }

  /** One a look: the memory that it gives back is seen in the next. */
  #lookAtMemory(sleepers: readonly { id: InstanceId; instance: Instance; sleeper: Sleeper }[], now: number): void {
    this.#memoryAt = now + MEMORY_EVERY_MS;
    if ((this.#options.availableMemory ?? availableMemory)() >= MEMORY_PRESSURE_SHARE) return;
    const chosen = coolForMemory(sleepers.map(({ id, instance, sleeper }) => ({ ...sleeper, instance, quietMs: now - (this.#seen.get(id)?.quietSince ?? now) })));
    chosen?.instance.instance.sleeping.cool(chosen.to, "memory-pressure");
  }
}

/** Of one that is seen for the first time: a sleeper of a former agent has been quiet since before it was frozen. */
function quietSince({ temperature, since, policy }: { temperature: Temperature; since: string; policy: Sleeper["policy"] }, now: number): number {
  return temperature === "running" ? now : now - Math.max(0, Date.now() - Date.parse(since)) - policy.freezeAfterMs;
}

function availableMemory(): number {
  const text = readFileSync("/proc/meminfo", "utf8");
  const kib = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(text)?.[1] ?? Number.NaN);
  const share = kib("MemAvailable") / kib("MemTotal");
  return Number.isFinite(share) ? share : 1;
}
