/** The app's own container from nothing to a process that runs; what comes before it, too. `instance.ts` decides when. */
import type { DesiredInstance } from "../core/contract/node-channel.ts";
import type { Netns } from "../core/host/net.ts";
import { startTimeOf } from "../core/host/process-stat.ts";
import type { Log } from "../core/log.ts";
import type { Bind } from "../core/sandbox/spec.ts";
import type { Container } from "./container.ts";
import type { InstanceDeps } from "./instance-deps.ts";
import type { InstanceNetwork } from "./instance-network.ts";
import type { SavedInstance } from "./instance-state.ts";
import type { InstanceMeter } from "./meter.ts";
import { mountAll } from "./mounts.ts";
import { NotReady } from "./not-ready.ts";
import { layersOf } from "./plan.ts";
import type { Pod } from "./pod.ts";
import { pullLayers } from "./pull.ts";
import type { SecretValues } from "./secrets.ts";
import { stopwatch } from "./stopwatch.ts";

export interface StartingOptions {
  deps: InstanceDeps;
  container: Container;
  network: InstanceNetwork;
  meter: InstanceMeter;
  pod: () => Pod;
  desired: () => DesiredInstance;
  save: (change: Partial<SavedInstance>) => void;
  /** It is woken: it counts as ready meanwhile. */
  isWaking: () => boolean;
  /** It has served before. */
  isUrgent: () => boolean;
  /** Ends what is there of the container. */
  forget: () => Promise<void>;
  stop: AbortSignal;
  log: Log;
}

export class Starting {
  readonly #options: StartingOptions;
  /** The container waits to be started. */
  isCreatedAhead = false;
  /** Where it was created. */
  #sandboxPid: number | undefined;
  timings: Record<string, number> = {};

  constructor(options: StartingOptions) {
    this.#options = options;
  }

  /** From nothing to a started process. */
  async fresh(): Promise<void> {
    const startedAt = performance.now();
    const lap = stopwatch((this.timings = {}));
    await this.#prepare(lap, this.#options.isUrgent());
    await this.#upPod(lap);
    await this.#start(lap);
    this.timings["running"] = Math.round((performance.now() - startedAt) * 10) / 10;
  }

  /** For a wake that is to come. */
  async ahead(): Promise<void> {
    const { log, forget } = this.#options;
    try {
      await this.#prepare(() => {});
    } catch (error) {
      // It is woken from what there is then.
      log.warn({ err: error }, "not created ahead");
      await forget();
    }
  }

  /** Out of a deep sleep. */
  async boot(): Promise<void> {
    const lap = stopwatch((this.timings = {}));
    const wasAhead = this.isCreatedAhead;
    if (!wasAhead) await this.#prepare(lap, true);
    this.#options.save({ booting: true });
    await this.#upPod(lap);
    try {
      await this.#start(lap);
    } catch (error) {
      if (!wasAhead) throw error;
      // What was created long ago may have been ended since.
      await this.#options.forget();
      await this.#prepare(lap, true);
      await this.#start(lap);
    }
  }

  connect(): Promise<Netns> {
    const { network, container } = this.#options;
    // A sandbox of several takes the address when it is made, and no container of it does.
    return network.connect(container.runtime.hasOwnKernel && container.sandboxId === undefined);
  }

  /** Volumes and scratch. */
  mountAll(): Promise<Bind[]> {
    const { deps, container, desired } = this.#options;
    return mountAll({ volumes: deps.volumes, disks: deps.host.disks }, container.dir, desired());
  }

  async readSecrets(): Promise<SecretValues | undefined> {
    const { deps, desired, stop } = this.#options;
    const secrets = await deps.host.secrets.untilRead(desired, stop);
    if (secrets?.kind === "unavailable") throw new NotReady({ code: "secrets_unavailable", detail: secrets.detail });
    return secrets;
  }

  /** From nothing to a process that waits to be started. `isUrgent`: somebody waits for it. */
  async #prepare(lap: (name: string) => void, isUrgent = false): Promise<void> {
    const { deps, desired, stop, log } = this.#options;
    const secrets = await this.readSecrets();
    await pullLayers(deps.store, layersOf(desired()), stop, log);
    lap("pull");
    await this.#options.pod().untilUnused(stop);
    // A volume may take its time.
    const mounted = await this.mountAll();
    await deps.starts.take(() => this.#assemble(lap, mounted, secrets), { isUrgent });
  }

  async #assemble(lap: (name: string) => void, mounted: readonly Bind[], secrets: SecretValues | undefined): Promise<void> {
    const { deps, container, meter, desired, save, stop } = this.#options;
    const pod = this.#options.pod();
    lap("turn");
    const [netns] = await Promise.all([this.connect(), container.mountRoot(() => deps.tenantLayers(desired()))]);
    lap("mount");
    container.writeBundle(netns, mounted, secrets);
    save({ phase: this.#options.isWaking() ? "ready" : "starting", netns: netns.name, problem: null });
    if (stop.aborted) throw new Error("told to stop");
    lap("prepare");
    if (pod.isAlone) meter.beginRun();
    else await pod.open(netns);
    const pid = await container.create(mounted);
    lap("create");
    this.isCreatedAhead = true;
    this.#sandboxPid = pod.sandboxPid;
    // Saved before it runs: an agent that is killed here finds it again.
    save({ pid, startTime: startTimeOf(pid) ?? null, ...(pod.isAlone ? {} : { isStarted: false }) });
  }

  /** What comes before the app's own container. @throws NotReady; Error when it is told to stop meanwhile */
  async #upPod(lap: (name: string) => void): Promise<void> {
    const { pod, stop } = this.#options;
    if (pod().isAlone) return;
    await pod().up(await this.connect(), stop);
    if (stop.aborted) throw new Error("told to stop");
    lap("others");
  }

  async #start(lap: (name: string) => void): Promise<void> {
    const { container, meter, pod, save, forget } = this.#options;
    if (pod().sandboxPid !== this.#sandboxPid) {
      // It went with another one's end.
      await forget();
      await this.#prepare(lap, true);
    }
    if (pod().isAlone) meter.startRun();
    await container.start();
    this.isCreatedAhead = false;
    if (!pod().isAlone) save({ isStarted: true });
    lap("start");
  }
}
