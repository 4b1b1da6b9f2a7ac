/**
 * Sessions at any node, whichever API process holds its channel. Between processes they go over Redis: one channel for
 * what goes down, one for what comes up. The credit of the two ends bounds what is under way there, too.
 */
import type { Redis } from "ioredis";
import { z } from "zod";
import { AppError } from "../../core/contract/errors.ts";
import { idSchema, newId } from "../../core/contract/ids.ts";
import { isLast, SessionDownSchema, SessionTargetSchema, SessionUpSchema, type SessionDown, type SessionUp } from "../../core/contract/sessions.ts";
import type { NodeHub, NodeSession } from "../deps.ts";
import type { NodeHubDeps } from "./node-hub.ts";

/** How long another process may take to say that it holds the node. */
const ANSWER_WITHIN_MS = 1000;
/** A session whose asker is gone ends after this long, even when both ends are silent. */
const ASKER_CHECK_MS = 5000;

const AskSchema = z.object({ sessionId: z.string(), nodeId: idSchema("node"), instanceId: idSchema("instance"), target: SessionTargetSchema });
/** `close`: the asker is gone. */
const DownSchema = z.union([SessionDownSchema, z.object({ type: z.literal("close") })]);
type Down = z.infer<typeof DownSchema>;
/** `held`: the node's channel is there; `broken`: it is no more; `alive`: nothing else to say. */
const UpSchema = z.union([z.object({ type: z.literal("event"), event: SessionUpSchema }), z.object({ type: z.enum(["held", "broken", "alive"]) })]);
type Up = z.infer<typeof UpSchema>;

export function openSessionHub(deps: NodeHubDeps): { session: NodeHub["session"]; close: () => void } {
  const names = {
    ask: `${deps.redisPrefix}node-session:ask`,
    up: (id: string) => `${deps.redisPrefix}node-session:up:${id}`,
    down: (id: string) => `${deps.redisPrefix}node-session:down:${id}`,
  };
  const stop = serveOthers(deps, names);
  return {
    session: async (nodeId, instanceId, target, hear) => {
      const open = { sessionId: newId("request"), instanceId, target };
      return deps.channels.openSession(nodeId, open, hear) ?? (await openElsewhere(deps, names, { nodeId, ...open }, hear));
    },
    close: stop,
  };
}

interface Names {
  ask: string;
  up: (id: string) => string;
  down: (id: string) => string;
}

async function openElsewhere(deps: NodeHubDeps, names: Names, ask: z.infer<typeof AskSchema>, hear: (event: SessionUp | undefined) => void): Promise<NodeSession> {
  const unavailable = () => new AppError("node_unavailable", "No API process is connected to the node that runs this instance.");
  if (deps.redis.status !== "ready" || deps.subscriber.status !== "ready") throw unavailable();
  const { sessionId } = ask;
  const { promise: isHeld, resolve: answer } = Promise.withResolvers<boolean>();
  let over = false;
  const tell = (down: Down) =>
    deps.redis.publish(names.down(sessionId), JSON.stringify(down)).then(
      (hearers) => (hearers === 0 ? end(undefined) : undefined),
      () => end(undefined),
    );
  const stopHearing = await subscribe(deps.subscriber, names.up(sessionId), UpSchema, (up: Up) => {
    if (up.type === "held") answer(true);
    else if (up.type === "broken") end(undefined);
    else if (up.type === "event") pass(up.event);
  });
  const finish = () => {
    over = true;
    stopHearing();
  };
  const pass = (event: SessionUp) => {
    if (over) return;
    if (isLast(event)) finish();
    hear(event);
  };
  const end = (event: undefined) => {
    if (over) return;
    finish();
    hear(event);
  };
  await deps.redis.publish(names.ask, JSON.stringify(ask));
  const timer = setTimeout(answer, ANSWER_WITHIN_MS, false);
  const held = await isHeld;
  clearTimeout(timer);
  if (!held) {
    finish();
    throw unavailable();
  }
  return {
    send: (event: SessionDown) => void (over || tell(event)),
    close: () => {
      if (over) return;
      finish();
      void deps.redis.publish(names.down(sessionId), JSON.stringify({ type: "close" } satisfies Down)).catch(() => {});
    },
  };
}

/** Opens what other processes ask for, at nodes whose channel is here. */
function serveOthers(deps: NodeHubDeps, names: Names): () => void {
  const served = new Set<() => void>();
  const serve = async ({ nodeId, ...open }: z.infer<typeof AskSchema>) => {
    const { sessionId } = open;
    let over = false;
    const queue: SessionDown[] = [];
    const here: { session?: NodeSession } = {};
    const finish = () => {
      if (over) return;
      over = true;
      served.delete(finish);
      clearInterval(timer);
      stopHearing();
      here.session?.close();
    };
    const tell = (up: Up) =>
      deps.redis.publish(names.up(sessionId), JSON.stringify(up)).then(
        (hearers) => (hearers === 0 ? finish() : undefined),
        () => finish(),
      );
    const timer = setInterval(() => void tell({ type: "alive" }), ASKER_CHECK_MS);
    const stopHearing = await subscribe(deps.subscriber, names.down(sessionId), DownSchema, (down: Down) => {
      if (down.type === "close") finish();
      else if (here.session === undefined) queue.push(down);
      else here.session.send(down);
    });
    served.add(finish);
    const session = deps.channels.openSession(nodeId, open, (event) => {
      if (over) return;
      void tell(event === undefined ? { type: "broken" } : { type: "event", event });
      if (event === undefined || isLast(event)) finish();
    });
    if (session === undefined) return finish();
    here.session = session;
    void tell({ type: "held" });
    for (const down of queue) session.send(down);
  };
  let stop = () => {};
  let stopped = false;
  void subscribe(deps.subscriber, names.ask, AskSchema, (ask) => {
    if (deps.channels.holds(ask.nodeId)) void serve(ask).catch((error: unknown) => deps.log.warn({ err: error }, "a session was not passed on"));
  }).then(
    (unsubscribe) => {
      stop = unsubscribe;
      if (stopped) stop();
    },
    () => {},
  );
  return () => {
    stopped = true;
    stop();
    for (const finish of served) finish();
  };
}

/** Messages of the schema on one channel, until the returned function is called. */
async function subscribe<T extends z.ZodType>(subscriber: Redis, channel: string, schema: T, hear: (message: z.infer<T>) => void): Promise<() => void> {
  const onMessage = (from: string, text: string) => {
    if (from !== channel) return;
    const parsed = schema.safeParse(JSON.parse(text));
    if (parsed.success) hear(parsed.data);
  };
  subscriber.on("message", onMessage);
  await subscriber.subscribe(channel);
  return () => {
    subscriber.off("message", onMessage);
    subscriber.unsubscribe(channel).catch(() => {});
  };
}
