/** The API's end of the node channel: desired state down, reports and log lines up. */
import type { WebSocket } from "ws";
import { LRUCache } from "lru-cache";
import { FromNodeSchema, NODE_CHANNEL_PATH, type FromNode, type LogEntry, type ToNode } from "../../core/contract/node-channel.ts";
import { isLast, type SessionUp } from "../../core/contract/sessions.ts";
import { parseId, type NodeId } from "../../core/contract/ids.ts";
import { DIGEST } from "../../core/contract/release-config.ts";
import { layerDigests, readGenerations, readNode, renderDesired, snapshotKeys, wantedSecrets, type NodeRows } from "../../core/db/system-queries/desired-state.ts";
import { findNode, touchNode, writeHello, writeReport, writeSeenGeneration } from "../../core/db/system-queries/node-reports.ts";
import { writeVolumes } from "../../core/db/system-queries/node-volumes.ts";
import { openVersions, type OpenedSecrets } from "../../core/db/system-queries/secrets.ts";
import type { Deps, NodeSession } from "../deps.ts";
import { blobKey } from "../../core/blob-store/keys.ts";
import { verifyNodeToken } from "../node-tokens.ts";
import { latest } from "./latest.ts";
import { sendNetwork, wakeForNode, watchNetworks } from "./node-network.ts";
import { keepAlive, onMessage, send, type Channel } from "./socket.ts";

/** Behind the bells: how often generations are compared. */
const LOOK_EVERY_MS = 2000;
const REPLACED = 4001;

export type NodeChannelDeps = Pick<Deps, "db" | "blobs" | "bells" | "log" | "clock" | "secrets"> & { config: Pick<Deps["config"], "presignTtlMs"> };
/** `undefined`: the channel broke. */
export type HearSession = (event: SessionUp | undefined) => void;
export type SessionOpen = Omit<Extract<ToNode, { type: "session-open" }>, "type">;
type LogsMessage = Extract<FromNode, { type: "logs" }>;

interface Connected {
  nodeId: NodeId;
  socket: WebSocket;
  /** Looks at the desired state and sends it when it is news. */
  look: (why: "bell" | "refresh") => void;
  /** The same of what it must know of other nodes. */
  lookAround: () => void;
  sentGeneration: number;
  sentAt: number;
  /** As the database has it; undefined: not known here. */
  seenGeneration: number | undefined;
  /** Who waits for log lines, by request id. */
  logs: Map<string, (message: LogsMessage | undefined) => void>;
  sessions: Map<string, HearSession>;
}

export interface NodeChannels {
  channel: Channel;
  /** Asks a node whose channel is here for log lines; undefined when it is not here. `hear` gets undefined when the channel breaks. */
  openLogs(nodeId: NodeId, request: Omit<Extract<ToNode, { type: "logs-open" }>, "type">, hear: (entries: LogEntry[] | undefined, done: boolean) => void): (() => void) | undefined;
  /** Whether the node's channel is here. */
  holds(nodeId: NodeId): boolean;
  /** Opens a session at a node whose channel is here; undefined when it is not here. Nothing is heard after the last event. */
  openSession(nodeId: NodeId, open: SessionOpen, hear: HearSession): NodeSession | undefined;
  close(): void;
}

export function openNodeChannels(deps: NodeChannelDeps): NodeChannels {
  const connected = new Map<NodeId, Connected>();
  const urls = presigner(deps);

  const stopBell = deps.bells.listen("node", (id) => {
    const nodeId = parseId("node", id);
    if (nodeId !== undefined) connected.get(nodeId)?.look("bell");
  });
  const stopNetworks = watchNetworks(deps, (nodeId) => {
    const entries = nodeId === "all" ? [...connected.values()] : [connected.get(nodeId)];
    for (const entry of entries) if (entry !== undefined && entry.sentGeneration >= 0) entry.lookAround();
  });
  const timer = setInterval(() => void lookAtAll(deps, connected), LOOK_EVERY_MS);

  const open: Channel["open"] = async (token) => {
    const nodeId = await verifyNodeToken(deps, token);
    const node = nodeId && (await findNode(deps.db, nodeId));
    if (node === undefined) return undefined;
    return (socket) => {
      const log = deps.log.child({ node: node.name });
      // The newer connection is the living one.
      connected.get(node.id)?.socket.close(REPLACED, "the node has connected again");
      const entry = attach(deps, node.id, socket, log, urls);
      connected.set(node.id, entry);
      log.info("node connected");
      socket.on("close", (code) => {
        if (connected.get(node.id) === entry) connected.delete(node.id);
        for (const hear of [...entry.logs.values(), ...entry.sessions.values()]) hear(undefined);
        log.info({ code }, "node disconnected");
      });
    };
  };

  return {
    channel: { path: NODE_CHANNEL_PATH, open },
    openLogs: (nodeId, request, hear) => {
      const entry = connected.get(nodeId);
      if (entry === undefined || !send(entry.socket, { type: "logs-open", ...request } satisfies ToNode)) return undefined;
      const { requestId } = request;
      entry.logs.set(requestId, (message) => {
        if (message === undefined || message.done) entry.logs.delete(requestId);
        hear(message?.entries, message?.done ?? true);
      });
      return () => {
        if (entry.logs.delete(requestId)) send(entry.socket, { type: "logs-close", requestId } satisfies ToNode);
      };
    },
    holds: (nodeId) => connected.has(nodeId),
    openSession: (nodeId, open, hear) => {
      const entry = connected.get(nodeId);
      if (entry === undefined || !send(entry.socket, { type: "session-open", ...open } satisfies ToNode)) return undefined;
      const { sessionId } = open;
      entry.sessions.set(sessionId, (event) => {
        if (event === undefined || isLast(event)) entry.sessions.delete(sessionId);
        hear(event);
      });
      return {
        send: (event) => void send(entry.socket, { type: "session", sessionId, event } satisfies ToNode),
        close: () => {
          if (entry.sessions.delete(sessionId)) send(entry.socket, { type: "session-close", sessionId } satisfies ToNode);
        },
      };
    },
    close: () => {
      clearInterval(timer);
      stopBell();
      stopNetworks();
    },
  };
}

function attach(deps: NodeChannelDeps, nodeId: NodeId, socket: WebSocket, log: Deps["log"], urls: Presigner): Connected {
  const closed = () => socket.readyState !== socket.OPEN;
  const failed = (what: string) => (error: unknown) => log.warn({ err: error }, what);
  const network = { said: "" };
  /** What a node says of its instances counts when it is known that it may be here. */
  const greeted = Promise.withResolvers<void>();
  const lookAround = latest<void>(() => sendNetwork(deps, nodeId, network, (text) => send(socket, text)), closed, failed("the private network was not sent"));
  const sendDesired = latest<"bell" | "refresh">(
    async (why) => {
      const node = await readNode(deps.db, nodeId);
      if (node === undefined) return socket.close(1008, "the node was removed");
      if (why === "bell" && node.generation <= entry.sentGeneration) return;
      const [urlOf, opened] = await Promise.all([urls([...layerDigests(node.instances).map(blobKey), ...snapshotKeys(node)]), openSecretsOf(deps, node)]);
      if (!send(socket, renderDesired(node, (name) => urlOf(DIGEST.test(name) ? blobKey(name) : name), opened))) return;
      entry.sentGeneration = node.generation;
      entry.sentAt = deps.clock().getTime();
      // A tenant may have come with it.
      lookAround();
    },
    closed,
    failed("the desired state was not sent"),
  );
  const report = latest<Extract<FromNode, { type: "report" }>>(
    async (message) => {
      await greeted.promise;
      const outcome = await writeReport(deps.db, nodeId, message, deps.clock());
      const stored = message.volumes === undefined ? [] : await writeVolumes(deps.db, nodeId, message.generation, message.volumes);
      for (const appId of stored) deps.bells.ring("reconcile", appId);
      for (const appId of outcome.changedApps) {
        deps.bells.ring("route", appId);
        deps.bells.ring("reconcile", appId);
      }
      for (const id of outcome.deployments) deps.bells.ring("deployment", id);
      if (outcome.counted.length > 0) send(socket, { type: "counted", instanceIds: outcome.counted } satisfies ToNode);
      // After the bells: nobody waits for it.
      if (message.generation !== entry.seenGeneration) await writeSeenGeneration(deps.db, nodeId, message.generation, deps.clock());
      entry.seenGeneration = message.generation;
    },
    closed,
    failed("a report was not written"),
  );
  const hello = latest<Extract<FromNode, { type: "hello" }>>(
    async (message) => {
      const taken = await writeHello(deps.db, nodeId, message, deps.clock());
      if (taken !== undefined) return refuse(socket, log, message.network?.subnet ?? "", taken);
      greeted.resolve();
      sendDesired("refresh");
    },
    closed,
    failed("a hello was not written"),
  );
  const entry: Connected = { nodeId, socket, look: sendDesired, lookAround, sentGeneration: -1, sentAt: 0, seenGeneration: undefined, logs: new Map(), sessions: new Map() };

  onMessage(socket, FromNodeSchema, log, (message) => {
    if (message.type === "report") report(message);
    else if (message.type === "logs") entry.logs.get(message.requestId)?.(message);
    else if (message.type === "session") entry.sessions.get(message.sessionId)?.(message.event);
    else if (message.type === "wanted") void wakeForNode(deps, nodeId, message.appId);
    else hello(message);
  });
  // Tried again until it is written: after an outage of the database a node must not look lost.
  // Before its hello nobody knows whether it may be here.
  const touch = latest<void>(async () => void (entry.sentGeneration >= 0 && (await touchNode(deps.db, nodeId, deps.clock()))), closed, failed("a heartbeat was not written"));
  keepAlive(socket, touch);
  return entry;
}

/** Two nodes with the same addresses: what is sent to one would reach the other. */
function refuse(socket: WebSocket, log: Deps["log"], subnet: string, taken: string): void {
  log.error({ subnet, taken }, "a node was refused: its subnet overlaps that of another node that is up");
  socket.close(1008, `BERTH_SUBNET ${subnet} overlaps that of the node «${taken}»: give each its own`.slice(0, 100));
}

/** What cannot be opened is told to the operator here, and to its owner by the instance that does not start. */
async function openSecretsOf({ db, secrets, log }: NodeChannelDeps, node: NodeRows): Promise<OpenedSecrets> {
  const opened = await openVersions(db, secrets, wantedSecrets(node.instances));
  for (const [place, value] of opened) if (value instanceof Error) log.error({ secret: place, err: value }, "a secret cannot be opened");
  return opened;
}

/** The timer's look: one question for all nodes, and fresh URLs before the old ones end. */
async function lookAtAll(deps: NodeChannelDeps, connected: ReadonlyMap<NodeId, Connected>): Promise<void> {
  const greeted = [...connected.values()].filter((entry) => entry.sentGeneration >= 0);
  if (greeted.length === 0) return;
  const now = deps.clock().getTime();
  try {
    const generations = await readGenerations(deps.db, greeted.map((entry) => entry.nodeId));
    for (const entry of greeted) {
      if ((generations.get(entry.nodeId) ?? 0) > entry.sentGeneration) entry.look("bell");
      else if (now - entry.sentAt > deps.config.presignTtlMs / 2) entry.look("refresh");
    }
  } catch (error) {
    deps.log.warn({ err: error }, "generations were not read");
  }
}

type Presigner = (keys: readonly string[]) => Promise<(key: string) => string>;

/** Presigned URLs, kept while at least three quarters of their life are left. */
function presigner(deps: NodeChannelDeps): Presigner {
  const ttl = deps.config.presignTtlMs;
  const known = new LRUCache<string, string>({ max: 50_000, ttl: ttl / 4 });
  return async (keys) => {
    const found = new Map<string, string>();
    await Promise.all(
      keys.map(async (key) => {
        const url = known.get(key) ?? (await deps.blobs.presignGet(key, ttl));
        known.set(key, url, { noUpdateTTL: true });
        found.set(key, url);
      }),
    );
    return (key) => found.get(key) ?? "";
  };
}
