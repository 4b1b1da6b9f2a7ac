/**
 * The gateway's loop. It compares what the API wants with what HAProxy has, slot by slot, and tells HAProxy the
 * difference; it attests drains, lets held requests go and collects counts. Level-triggered: a message marks slots
 * for a look, timers do too, and what failed is looked at again.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { FromGateway, Route, ToGateway } from "../core/contract/gateway-channel.ts";
import type { AppId, InstanceId } from "../core/contract/ids.ts";
import type { Log } from "../core/log.ts";
import { slotName, type ConfigOptions } from "./commands/config.ts";
import { outcome, parseStats, render } from "./commands/runtime.ts";
import { Certificates } from "./certificates.ts";
import { Counter } from "./counter.ts";
import { DrainWatch } from "./drain-watch.ts";
import { ErrorPages } from "./error-pages.ts";
import { adopt, formerRuns, isCurrent, startHaproxy, type Running } from "./haproxy.ts";
import type { HoldPolicy } from "./holder.ts";
import { LoadWatch } from "./load.ts";
import { Mirror } from "./mirror.ts";
import { observeHaproxy } from "./observe.ts";
import { canaryKey, keyOf, partsOf, splitOf, type PartKey } from "./parts.ts";
import { ServedWatch } from "./served.ts";
import { Sleepers } from "./sleepers.ts";
import { applyCommand, chooseSlot, EMPTY_SLOT, gone, isClean, NOTHING_OBSERVED, planSlot, wantedOf, type Command, type SlotObserved, type SlotWanted } from "./plan.ts";

const RETRY_MS = 250;
const DRAIN_LOOK_MS = 50;
const LOOK_COST_SHARE = 0.05;
/** While the API cannot be told. */
const AWAY_LOOK_MS = 1000;
/** Behind everything: HAProxy's whole state is read again. */
const OBSERVE_EVERY_MS = 30_000;
/** A server without a route that still has connections after this long: its instance is gone, whatever its grace time was; they are cut. */
const CUT_AFTER_MS = 330_000;

export interface ControllerOptions {
  config: ConfigOptions;
  log: Log;
  version: string;
  countsEveryMs: number;
  /** False when it could not be sent. */
  send(message: FromGateway): boolean;
  /** The slot has a server now. */
  release(slot: string): void;
}

export class Controller {
  readonly #o: ControllerOptions;
  readonly #mirror: Mirror;
  readonly #slotOf = new Map<PartKey, string>();
  readonly #drains = new DrainWatch();
  readonly #sleepers: Sleepers;
  readonly #load = new LoadWatch();
  readonly #served = new ServedWatch();
  readonly #counter: Counter;
  readonly #errorPages: ErrorPages;
  readonly #certificates: Certificates;
  /** Slots whose app is gone and that were counted for the last time since. */
  readonly #counted = new Set<string>();
  readonly #busySince = new Map<string, number>();
  /** Slots without an app, and those of them in which HAProxy has something all the same. */
  readonly #free = new Set<string>();
  #strays = new Set<string>();
  #config: ConfigOptions;
  #running: Running | undefined;
  #observed = new Map<string, SlotObserved>();
  #dirty = new Set<string>();
  #unplaced = new Map<PartKey, Route>();
  #stopped = false;
  #hasSnapshot = false;
  #wake: () => void = () => {};
  #observeAt = 0;
  #drainAt = 0;
  #countAt = 0;
  #lookAt = 0;
  #certificatesAt = 0;
  #retryAt = Infinity;
  #loop: Promise<void> | undefined;

  constructor(options: ControllerOptions) {
    this.#o = options;
    this.#mirror = new Mirror(options.config.files.mirror, options.config.slotCount);
    this.#config = { ...options.config, slotCount: this.#mirror.slotCount };
    const onChange = (slot: string) => {
      this.#dirty.add(slot);
      this.#wake();
    };
    this.#sleepers = new Sleepers({ log: options.log, onChange, onWoken: (slot, instanceId) => void this.#rouse(slot, instanceId).finally(() => onChange(slot)) });
    for (const [slot, route] of this.#mirror.routes) {
      this.#slotOf.set(keyOf(route), slot);
      this.#sleepers.doze.setRoute(slot, route, performance.now(), false);
      this.#load.setRoute(slot, route);
      this.#served.setRoute(slot, route);
    }
    this.#addFree(1);
    this.#counter = new Counter({ path: options.config.files.counts, log: options.log, send: options.send });
    this.#errorPages = new ErrorPages(options.config.files.errorPages);
    this.#certificates = new Certificates(options.config.tls?.certificates, options.log);
    this.#errorPages.keep(this.#mirror.routes);
  }

  #addFree(fromIndex: number): void {
    for (let index = fromIndex; index <= this.#config.slotCount; index++) {
      if (!this.#mirror.routes.has(slotName(index))) this.#free.add(slotName(index));
    }
  }

  /** Adopts the HAProxy that runs, or starts one from the mirror; resolves when it takes requests. */
  async start(): Promise<void> {
    await this.#ensureHaproxy();
    this.#countAt = Date.now() + this.#o.countsEveryMs;
    this.#loop = this.#run();
  }

  /** Ends the loop; HAProxy goes on. The last counts are sent before. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#wake();
    await this.#loop;
    await this.#count().catch(() => {});
    this.#running?.admin.close();
    this.#sleepers.close();
  }

  onMessage(message: ToGateway): void {
    const take = (route: Route) => partsOf(route).forEach((part) => this.#take(part));
    if (message.type === "counted") this.#counter.onCounted(message);
    else if (message.type === "route") take(message.route);
    else {
      const known = new Set([...this.#mirror.routes.values(), ...this.#unplaced.values()].map(({ appId }) => appId));
      for (const appId of gone(known, message.routes)) take({ ...GONE, appId });
      for (const route of message.routes) take(route);
      // What no route has named by now belongs to nobody.
      this.#hasSnapshot = true;
      for (const slot of this.#strays) this.#dirty.add(slot);
    }
    this.#wake();
  }

  /** Drains are attested once more; counts wait until the API has said which it has. */
  onConnected(): void {
    this.#drains.forgetReports();
    this.#load.forget();
    this.#served.forget();
    this.#lookAt = 0;
    this.#counter.onConnected();
    this.#o.send({ type: "hello", version: this.#o.version, incarnation: this.#counter.incarnation });
    this.#wake();
  }

  policyOf(slot: string): HoldPolicy {
    const route = this.#mirror.routes.get(slot);
    const servers = [...(this.#observed.get(slot)?.servers.values() ?? [])];
    return {
      holdTimeoutMs: route === undefined || route.hosts.length === 0 ? undefined : route.holdTimeoutMs,
      hasServer: servers.some((server) => server.state === "ready" && !server.asleep),
    };
  }

  /** A request is held for the slot: its instances are woken where they sleep; what else there is to do is the API's. */
  async want(slot: string): Promise<void> {
    const { holdTimeoutMs } = this.policyOf(slot);
    if (holdTimeoutMs === undefined) return;
    const { serves, notWoken } = await this.#sleepers.wake(slot, holdTimeoutMs);
    const appId = this.appOf(slot);
    if (!serves && appId !== undefined && !this.policyOf(slot).hasServer) this.#o.send({ type: "wanted", appId, notWoken });
  }

  /** One that is awake gets what is held, past the loop, which may be busy with others. What fails here the loop does. */
  async #rouse(slot: string, name: InstanceId): Promise<void> {
    const admin = this.#running?.admin;
    if (admin === undefined || this.#observed.get(slot)?.servers.get(name)?.asleep !== true) return;
    const command: Command = { kind: "set-asleep", slot, name, asleep: false };
    const answer = await admin.send(render(command, this.#config.files)).catch(() => undefined);
    if (answer === undefined || !this.#learn(command, answer)) return;
    if (this.policyOf(slot).hasServer) this.#o.release(slot);
  }

  appOf(slot: string): AppId | undefined {
    const route = this.#mirror.routes.get(slot);
    return route === undefined || route.hosts.length === 0 ? undefined : route.appId;
  }

  #take(route: Route): void {
    const slot = this.#slotOf.get(keyOf(route)) ?? this.#place(route);
    if (slot === undefined) return;
    const before = this.#mirror.routes.get(slot);
    if (before !== undefined && JSON.stringify(before) === JSON.stringify(route)) return;
    this.#mirror.set(slot, route);
    this.#errorPages.set(slot, route);
    this.#slotOf.set(keyOf(route), slot);
    this.#counted.delete(slot);
    this.#dirty.add(slot);
    this.#drains.setWanted(slot, route);
    this.#sleepers.doze.setRoute(slot, route, performance.now(), true);
    this.#load.setRoute(slot, route);
    this.#served.setRoute(slot, route);
    this.#lookAt = 0;
  }

  /** Gives the app a slot; undefined when it needs none, or must wait until there are more. */
  #place(route: Route): string | undefined {
    this.#unplaced.delete(keyOf(route));
    if (route.hosts.length === 0) return undefined;
    const slot = chooseSlot(route, this.#free, this.#strays, this.#observed);
    if (slot === undefined) {
      this.#unplaced.set(keyOf(route), route);
      return undefined;
    }
    this.#free.delete(slot);
    this.#strays.delete(slot);
    return slot;
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      const woken = new Promise<void>((resolve) => (this.#wake = resolve));
      try {
        await this.#pass();
      } catch (error) {
        this.#o.log.warn({ err: error }, "a look at HAProxy failed; trying again");
        this.#observeAt = 0;
        await sleep(RETRY_MS);
        continue;
      }
      if (this.#dirty.size > 0) continue;
      const drainAt = this.#drains.pending ? this.#drainAt : Infinity;
      const waitMs = Math.max(0, Math.min(this.#observeAt, this.#countAt, this.#lookAt, this.#certificatesAt, this.#retryAt, drainAt) - Date.now());
      const timer = setTimeout(this.#wake, waitMs);
      await Promise.race([woken, this.#running?.admin.closed]);
      clearTimeout(timer);
    }
  }

  async #pass(): Promise<void> {
    await this.#ensureHaproxy();
    if (this.#unplaced.size > 0) await this.#grow();
    if (Date.now() >= this.#observeAt) await this.#observe();
    if (Date.now() >= this.#retryAt) this.#retry();
    await this.#apply();
    if (this.#drains.pending && Date.now() >= this.#drainAt) await this.#attest();
    if (Date.now() >= this.#lookAt) await this.#look();
    if (Date.now() >= this.#countAt) await this.#count();
    if (Date.now() >= this.#certificatesAt) {
      this.#certificatesAt = Date.now() + this.#certificates.lookEveryMs;
      await this.#certificates.look(this.#admin);
    }
  }

  /** At what goes on: for sleepers, for the autoscaler, and for releases that are watched. */
  async #look(): Promise<void> {
    const ofAllMs = Math.min(this.#sleepers.doze.lookEveryMs() ?? Infinity, this.#load.lookEveryMs ?? Infinity);
    const everyMs = Math.min(ofAllMs, this.#served.lookEveryMs ?? Infinity);
    this.#lookAt = Infinity;
    if (everyMs === Infinity) return;
    const ask = (what: string) => this.#admin.send(`show stat ${what} -1`);
    const [stats, watched] = await Promise.all([ofAllMs === Infinity ? undefined : ask("-1 2"), Promise.all(this.#served.due(performance.now()).map((slot) => ask(`${slot} 4`)))]);
    const before = process.cpuUsage();
    if (stats !== undefined) {
      const { backends } = parseStats(stats);
      this.#sleepers.look(backends);
      const load = this.#load.look(backends, performance.now());
      if (load !== undefined) this.#o.send(load);
    }
    const served = watched.length === 0 ? undefined : this.#served.look(watched.map((text) => parseStats(text).servers), this.#running?.identity ?? "");
    if (served !== undefined && !this.#o.send(served)) this.#served.forget();
    const { user, system } = process.cpuUsage(before);
    // One app's short time must not take the gateway's: HAProxy's part costs as much again. Never so late that a lease
    // would outlast what agents wait.
    const costMs = (2 * (user + system)) / 1000;
    this.#lookAt = Date.now() + Math.min(2 * everyMs, Math.max(everyMs, costMs / LOOK_COST_SHARE));
  }

  #wantedOf(slot: string, route: Route): SlotWanted {
    return wantedOf(route, (id) => this.#sleepers.doze.isAsleep(slot, id), splitOf(route, this.#slotOf.get(canaryKey(route.appId))));
  }

  get #admin() {
    if (this.#running === undefined) throw new Error("HAProxy does not run");
    return this.#running.admin;
  }

  /** HAProxy runs and answers: adopted, or started with what the mirror knows. */
  async #ensureHaproxy(): Promise<void> {
    if (this.#running !== undefined) {
      if (!this.#running.admin.isClosed) return;
      this.#running = undefined;
    }
    this.#certificates.forget();
    this.#certificatesAt = 0;
    const adopted = await adopt(this.#config);
    if (adopted !== undefined && isCurrent(this.#config)) {
      this.#o.log.info({ pid: adopted.pid }, "haproxy adopted");
      this.#running = adopted;
    } else {
      adopted?.admin.close();
      await this.#startHaproxy(adopted === undefined ? "haproxy started" : "haproxy reloaded with a new configuration");
    }
    await this.#observe();
  }

  async #startHaproxy(what: string): Promise<void> {
    const beganAt = performance.now();
    const slots = new Map<string, SlotWanted>([...this.#mirror.routes].map(([slot, route]) => [slot, this.#wantedOf(slot, route)]));
    this.#running = await startHaproxy(this.#config, slots);
    this.#counter.onProcess(this.#running.identity);
    this.#o.log.info({ pid: this.#running.pid, apps: slots.size, slots: this.#config.slotCount, ms: Math.round(performance.now() - beganAt) }, what);
  }

  /** Slots have run out: as many again, in a new process that takes the listeners over. */
  async #grow(): Promise<void> {
    await this.#count();
    const slotCount = this.#config.slotCount * 2;
    this.#mirror.grow(slotCount);
    this.#config = { ...this.#config, slotCount };
    this.#addFree(slotCount / 2 + 1);
    // A copy: what still finds no slot is put back.
    const waiting = Array.from(this.#unplaced.values());
    for (const route of waiting) this.#take(route);
    this.#running?.admin.close();
    await this.#startHaproxy("slots had run out: haproxy reloaded with twice as many");
    await this.#observe();
  }

  async #observe(): Promise<void> {
    this.#observed = await observeHaproxy(this.#admin, this.#config.files);
    this.#observeAt = Date.now() + OBSERVE_EVERY_MS;
    this.#strays = new Set([...this.#observed.keys()].filter((slot) => this.#free.has(slot)));
    if (this.#hasSnapshot) for (const slot of this.#strays) this.#dirty.add(slot);
    for (const [slot, route] of this.#mirror.routes) {
      this.#dirty.add(slot);
      this.#drains.setWanted(slot, route);
    }
  }

  #retry(): void {
    this.#retryAt = Infinity;
    for (const slot of this.#busySince.keys()) this.#dirty.add(slot.split("/")[0] ?? "");
    for (const [slot, route] of this.#mirror.routes) if (route.hosts.length === 0) this.#dirty.add(slot);
  }

  async #apply(): Promise<void> {
    const dirty = [...this.#dirty];
    this.#dirty = new Set();
    const plans = dirty.map((slot) => {
      const route = this.#mirror.routes.get(slot);
      return planSlot(slot, route === undefined ? EMPTY_SLOT : this.#wantedOf(slot, route), this.#observed.get(slot) ?? NOTHING_OBSERVED);
    });
    // All lines are written at once; answers come in the same order.
    const commands = plans.flat();
    const answers = await Promise.all(commands.map((command) => this.#admin.send(render(command, this.#config.files))));
    let failed = 0;
    commands.forEach((command, index) => {
      if (!this.#learn(command, answers[index] ?? "")) failed++;
    });
    if (failed > 0) {
      this.#observeAt = 0;
      await sleep(RETRY_MS);
    }
    for (const slot of dirty) {
      if (this.policyOf(slot).hasServer) this.#o.release(slot);
      this.#freeIfClean(slot);
    }
  }

  /** False when HAProxy is not as it was thought to be. */
  #learn(command: Command, answer: string): boolean {
    const result = outcome(command, answer);
    const key = "name" in command ? `${command.slot}/${command.name}` : command.slot;
    if (result === "done") {
      this.#observed.set(command.slot, applyCommand(this.#observed.get(command.slot) ?? NOTHING_OBSERVED, command));
      if (command.kind === "del-server") this.#busySince.delete(key);
      return true;
    }
    if (result === "busy") {
      const since = this.#busySince.get(key) ?? Date.now();
      this.#busySince.set(key, since);
      if (Date.now() - since > CUT_AFTER_MS && !this.#isRouted(command)) void this.#admin.send(`shutdown sessions server ${key}`).catch(() => {});
      this.#retryAt = Math.min(this.#retryAt, Date.now() + RETRY_MS);
      return true;
    }
    this.#o.log.warn({ command: render(command, this.#config.files), answer: answer.trim() }, "haproxy refused a command");
    this.#busySince.delete(key);
    return false;
  }

  /** An instance that was a canary's has another server by now, and still requests at this one. */
  #isRouted(command: Command): boolean {
    const appId = this.#mirror.routes.get(command.slot)?.appId;
    const route = appId && this.#mirror.routes.get(this.#slotOf.get(keyOf({ appId })) ?? "");
    return "name" in command && route !== undefined && [...route.endpoints, ...route.draining].some(({ instanceId }) => instanceId === command.name);
  }

  /** A slot whose app is gone is free once nothing is left in it and its last requests are counted. */
  #freeIfClean(slot: string): void {
    const route = this.#mirror.routes.get(slot);
    if (route === undefined || route.hosts.length > 0) return;
    if (isClean(this.#observed.get(slot) ?? NOTHING_OBSERVED) && this.#counted.has(slot)) {
      this.#mirror.free(slot);
      this.#free.add(slot);
      this.#slotOf.delete(keyOf(route));
      this.#counted.delete(slot);
      this.#drains.setWanted(slot, route);
    } else this.#retryAt = Math.min(this.#retryAt, Date.now() + RETRY_MS * 4);
  }

  async #attest(): Promise<void> {
    this.#drainAt = Date.now() + DRAIN_LOOK_MS;
    const apps = this.#drains.slots().flatMap((slot) => this.#mirror.routes.get(slot)?.appId ?? []);
    const slots = apps.flatMap((appId) => [keyOf({ appId }), canaryKey(appId)]).flatMap((key) => this.#slotOf.get(key) ?? []);
    const answers = await Promise.all(slots.map((slot) => this.#admin.send(`show stat ${slot} 4 -1`)));
    const sessions = new Map<string, number>();
    for (const answer of answers) {
      for (const servers of parseStats(answer).servers.values()) {
        // Only a server that takes nothing new can be attested.
        for (const [name, server] of servers) sessions.set(name, (sessions.get(name) ?? 0) + (server.state === "ready" ? Infinity : server.sessions));
      }
    }
    const drained = this.#drains.look(sessions, formerRuns(this.#config.files.pidFile));
    if (drained.length === 0) return;
    if (this.#o.send({ type: "drained", instanceIds: drained })) this.#drains.reported(drained);
    else this.#drainAt = Date.now() + AWAY_LOOK_MS;
  }

  async #count(): Promise<void> {
    this.#countAt = Date.now() + this.#o.countsEveryMs;
    if (this.#running === undefined) return;
    const gone = [...this.#mirror.routes].filter(([slot, route]) => route.hosts.length === 0 && isClean(this.#observed.get(slot) ?? NOTHING_OBSERVED));
    const stats = parseStats(await this.#admin.send("show stat -1 2 -1"));
    const appOf = new Map([...this.#mirror.routes].map(([slot, route]) => [slot, route.appId]));
    this.#counter.collect(this.#running.identity, stats.backends, appOf);
    for (const [slot] of gone) {
      this.#counted.add(slot);
      this.#dirty.add(slot);
    }
  }
}

const GONE = { hosts: [], endpoints: [], draining: [], requestTimeoutMs: 0, concurrency: 0, holdTimeoutMs: 0 };
