/**
 * What one instance uses: the kernel's counters, added up in a file beside its state. What is counted is saved before
 * the counters that it came from go away; whatever was not saved is still in them.
 */
import { readFileSync } from "node:fs";
import { readGroupUse } from "../core/host/cgroup.ts";
import { readTraffic, type Netns } from "../core/host/net.ts";
import { beginNetwork, beginRun, endRun, meterFrom, newMeter, saidOf, startRun, takeSample, type Meter, type MeterSample, type SaidUsage } from "../core/domain/usage.ts";
import { writeSmall } from "./small-file.ts";

/** Since the host's boot, the same for every process. */
const bootMs = () => Number(process.hrtime.bigint() / 1_000_000n);

export class InstanceMeter {
  readonly #path: string;
  readonly #cgroupsPath: string;
  #meter: Meter;
  #netns: Netns | undefined;
  /** It runs already, but nobody knows what was counted of it. */
  #isLost: boolean;

  /** `isResumed`: a former agent has begun it. */
  constructor(path: string, cgroupsPath: string, isResumed: boolean) {
    this.#path = path;
    this.#cgroupsPath = cgroupsPath;
    const found = isResumed ? readMeter(path) : undefined;
    this.#meter = found ?? newMeter(Date.now());
    this.#isLost = isResumed && found === undefined;
  }

  said(): SaidUsage {
    return saidOf(this.#meter);
  }

  /** The network that a former agent gave it. */
  adoptNetwork(netns: Netns): void {
    this.#netns = netns;
  }

  beginNetwork(netns: Netns): void {
    this.#netns = netns;
    this.#save(beginNetwork(this.#meter));
  }

  /** Before the container is created. */
  beginRun(): void {
    this.#isLost = false;
    this.#save(beginRun(this.#meter));
  }

  /** Before it is started, which may be long after. */
  startRun(): void {
    this.#save(startRun(this.#meter, bootMs()));
  }

  sample(): void {
    this.#take(this.#read(), (meter) => meter);
  }

  /** After its last process, before its group and its interface go away. `exitedAt`: when that was, ms since 1970. */
  endRun(exitedAt: number): void {
    const atMs = bootMs() - Math.max(0, Date.now() - exitedAt);
    this.#take({ ...this.#read(), memoryBytes: null, atMs }, endRun);
  }

  #read(): MeterSample {
    const traffic = this.#netns === undefined ? { egressBytes: null, ingressBytes: null } : readTraffic(this.#netns.hostInterface);
    return { ...readGroupUse(this.#cgroupsPath), ...traffic, atMs: bootMs() };
  }

  #take(sample: MeterSample, then: (meter: Meter) => Meter): void {
    const before = this.#meter;
    const meter = this.#isLost ? meterFrom(before.since, sample) : takeSample(before, sample);
    this.#isLost = false;
    this.#save(then(meter));
  }

  #save(meter: Meter): void {
    this.#meter = meter;
    writeSmall(this.#path, JSON.stringify(meter));
  }
}

/** Undefined when there is none, or when the host's crash has left it broken. */
function readMeter(path: string): Meter | undefined {
  try {
    return JSON.parse(readFileSync(path, "utf8")) as Meter;
  } catch {
    return undefined;
  }
}
