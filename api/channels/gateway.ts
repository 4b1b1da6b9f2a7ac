/** The API's end of the gateway channel: routes down, counts and drained instances up. */
import type { WebSocket } from "ws";
import { FromGatewaySchema, GATEWAY_CHANNEL_PATH, type FromGateway, type Route, type ToGateway } from "../../core/contract/gateway-channel.ts";
import { parseId, type AppId, type InstanceId } from "../../core/contract/ids.ts";
import { addCounts, findGatewayByTokenHash, lastCounted, touchGateway, writeDrained, writeServed, type GatewayId } from "../../core/db/system-queries/gateways.ts";
import { goneRoute, readRoutes } from "../../core/db/system-queries/routes.ts";
import { markNotWoken, wakeApp } from "../../core/db/system-queries/scaling.ts";
import { noteLoad } from "../../core/load.ts";
import { hashToken } from "../../core/tokens.ts";
import type { Deps } from "../deps.ts";
import { latest } from "./latest.ts";
import { keepAlive, onMessage, send, type Channel } from "./socket.ts";

/** Behind the bells: how often all routes are read. */
const LOOK_EVERY_MS = 2000;
const RETRY_MS = 500;
const MAX_WAITING = 1000;

export type GatewayChannelDeps = Pick<Deps, "db" | "redis" | "bells" | "log" | "clock"> & { config: Pick<Deps["config"], "appsUrl" | "redisPrefix"> };

export interface GatewayChannels {
  channel: Channel;
  close(): void;
}

export function openGatewayChannels(deps: GatewayChannelDeps): GatewayChannels {
  const feed = new RouteFeed(deps);
  const stopBell = deps.bells.listen("route", (id) => {
    const appId = parseId("app", id);
    if (appId !== undefined) feed.look(appId);
  });
  const timer = setInterval(() => feed.look("all"), LOOK_EVERY_MS);

  const open: Channel["open"] = async (token) => {
    const gateway = await findGatewayByTokenHash(deps.db, hashToken(token));
    if (gateway === undefined) return undefined;
    return (socket) => {
      const log = deps.log.child({ gateway: gateway.name });
      log.info("gateway connected");
      attach(deps, gateway.id, socket, log, feed);
      socket.on("close", (code) => {
        feed.leave(socket);
        log.info({ code }, "gateway disconnected");
      });
    };
  };
  return {
    channel: { path: GATEWAY_CHANNEL_PATH, open },
    close: () => {
      clearInterval(timer);
      stopBell();
    },
  };
}

function attach(deps: GatewayChannelDeps, id: GatewayId, socket: WebSocket, log: Deps["log"], feed: RouteFeed): void {
  const closed = () => socket.readyState !== socket.OPEN;
  const queue = inOrder((message: FromGateway) => write(deps, id, message, socket), closed, (error) => log.warn({ err: error }, "a gateway's message was not written"));
  onMessage(socket, FromGatewaySchema, log, (message) => {
    if (message.type === "hello") {
      // A connection that has said hello counts as a gateway that must attest drains: noted before it has routes.
      queue(message);
      feed.join(socket);
    } else if (message.type === "load") {
      // Redis is away: the autoscaler then changes nothing.
      noteLoad(deps.redis, deps.config.redisPrefix, id, message.apps, message.periodMs, deps.clock().getTime()).catch(() => {});
    } else if (message.type === "wanted") {
      void wake(deps, message.appId, message.notWoken ?? [], log);
    } else {
      queue(message);
    }
  });
  const touch = latest<void>(() => touchGateway(deps.db, id, deps.clock()), closed, (error) => log.warn({ err: error }, "a heartbeat was not written"));
  keepAlive(socket, touch);
}

/** A held request wants an instance: now, if the app sleeps, or elsewhere, if it could not be woken; where one is on its way this only makes the loop look. */
async function wake(deps: GatewayChannelDeps, appId: AppId, notWoken: readonly InstanceId[], log: Deps["log"]): Promise<void> {
  const now = deps.clock();
  await Promise.all([wakeApp(deps.db, appId, now), markNotWoken(deps.db, appId, notWoken, now)]).catch((error: unknown) => log.warn({ err: error, appId }, "an app was not woken"));
  deps.bells.ring("reconcile", appId);
}

async function write(deps: GatewayChannelDeps, id: GatewayId, message: FromGateway, socket: WebSocket): Promise<void> {
  const now = deps.clock();
  const counted = (incarnation: string, sequence: number) => send(socket, { type: "counted", incarnation, sequence } satisfies ToGateway);
  if (message.type === "hello") {
    await touchGateway(deps.db, id, now);
    if (message.incarnation !== undefined) counted(message.incarnation, await lastCounted(deps.db, id, message.incarnation, now));
  }
  if (message.type === "counts") {
    await addCounts(deps.db, id, message, now);
    counted(message.incarnation, message.sequence);
  }
  if (message.type === "served") {
    for (const appId of await writeServed(deps.db, id, message)) deps.bells.ring("reconcile", appId);
  }
  if (message.type === "drained") {
    for (const appId of await writeDrained(deps.db, id, message.instanceIds)) deps.bells.ring("reconcile", appId);
  }
}

/** Works through messages one after the other; one that fails is tried again, for each says something that no later one repeats. */
function inOrder(work: (message: FromGateway) => Promise<void>, stopped: () => boolean, onError: (error: unknown) => void): (message: FromGateway) => void {
  const waiting: FromGateway[] = [];
  let busy = false;
  const run = async () => {
    busy = true;
    while (waiting.length > 0 && !stopped()) {
      try {
        await work(waiting[0] as FromGateway);
        waiting.shift();
      } catch (error) {
        onError(error);
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      }
    }
    busy = false;
  };
  return (message) => {
    waiting.push(message);
    // Only while the database is away for long: drains end by their deadline. Of counts, few are under way.
    const spare = waiting.length > MAX_WAITING ? waiting.findIndex(({ type }, index) => index > 0 && (type === "drained" || type === "served")) : -1;
    if (spare !== -1) waiting.splice(spare, 1);
    if (!busy) void run();
  };
}

/** What all gateways of this process know: read once, sent to each, and again only what has changed. */
class RouteFeed {
  readonly #deps: GatewayChannelDeps;
  readonly #joined = new Set<WebSocket>();
  readonly #joining = new Set<WebSocket>();
  #known = new Map<AppId, string>();
  #dirty = new Set<AppId>();
  #all = false;
  #busy = false;

  constructor(deps: GatewayChannelDeps) {
    this.#deps = deps;
  }

  join(socket: WebSocket): void {
    this.#joining.add(socket);
    this.look("all");
  }

  leave(socket: WebSocket): void {
    this.#joining.delete(socket);
    this.#joined.delete(socket);
  }

  look(what: AppId | "all"): void {
    if (what === "all") this.#all = true;
    else this.#dirty.add(what);
    if (!this.#busy) void this.#run();
  }

  async #run(): Promise<void> {
    this.#busy = true;
    while (this.#joined.size + this.#joining.size > 0 && (this.#all || this.#dirty.size > 0)) {
      const all = this.#all;
      const dirty = this.#dirty;
      this.#all = false;
      this.#dirty = new Set();
      try {
        const joining = [...this.#joining];
        const routes = await readRoutes(this.#deps.db, this.#deps.config.appsUrl.hostname, all ? undefined : [...dirty]);
        this.#tell(routes, all ? new Set(this.#known.keys()) : dirty);
        if (all) this.#welcome(joining, routes);
      } catch (error) {
        // What was asked for is asked for again; the gateways go on with what they know.
        this.#all ||= all;
        for (const appId of dirty) this.#dirty.add(appId);
        this.#deps.log.warn({ err: error }, "routes were not read");
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      }
    }
    this.#busy = false;
  }

  /** Sends what differs from what is known; of `asked`, what was not found is gone. */
  #tell(routes: readonly Route[], asked: ReadonlySet<AppId>): void {
    const found = new Set(routes.map((route) => route.appId));
    const gone = [...asked].filter((appId) => !found.has(appId) && this.#known.has(appId)).map(goneRoute);
    for (const route of [...routes, ...gone]) {
      const text = JSON.stringify({ type: "route", route } satisfies ToGateway);
      if (this.#known.get(route.appId) === text) continue;
      if (route.hosts.length === 0) this.#known.delete(route.appId);
      else this.#known.set(route.appId, text);
      for (const socket of this.#joined) send(socket, text);
    }
  }

  #welcome(joining: readonly WebSocket[], routes: Route[]): void {
    for (const socket of joining) {
      if (!this.#joining.delete(socket)) continue;
      if (send(socket, { type: "routes-snapshot", routes } satisfies ToGateway)) this.#joined.add(socket);
    }
  }
}
