/**
 * Log lines of any node, whichever API process holds its channel. A process that does not hold it asks all others
 * over Redis; the one that does answers on a channel of the request's own.
 */
import type { Redis } from "ioredis";
import { z } from "zod";
import { AppError } from "../../core/contract/errors.ts";
import { idSchema, newId, type NodeId } from "../../core/contract/ids.ts";
import { LogEntrySchema, type LogEntry } from "../../core/contract/node-channel.ts";
import { ContainerRefSchema } from "../../core/contract/pods.ts";
import type { Log } from "../../core/log.ts";
import type { LogRequest, NodeHub } from "../deps.ts";
import type { NodeChannels } from "./node.ts";
import { openSessionHub } from "./node-session-hub.ts";

/** How long another process may take to say that it holds the node. */
const ANSWER_WITHIN_MS = 1000;
/** Most lines that wait for a reader who is slower than the app. */
const MAX_WAITING_LINES = 20_000;
/** A relay whose asker is gone ends after this long, even when the app is silent. */
const ASKER_CHECK_MS = 5000;

const AskSchema = z.discriminatedUnion("type", [
  z.object({
    type: z.literal("open"),
    requestId: z.string(),
    nodeId: idSchema("node"),
    instanceId: idSchema("instance"),
    container: ContainerRefSchema.optional(),
    tailLines: z.number().int(),
    follow: z.boolean(),
  }),
  z.object({ type: z.literal("close"), requestId: z.string() }),
]);
type Ask = z.infer<typeof AskSchema>;
const AnswerSchema = z.object({ entries: z.array(LogEntrySchema).optional(), done: z.boolean() });
type Answer = z.infer<typeof AnswerSchema>;

export interface NodeHubDeps {
  channels: NodeChannels;
  /** Fails fast; publishes. */
  redis: Redis;
  /** Patient; hears. */
  subscriber: Redis;
  redisPrefix: string;
  log: Log;
}

export function openNodeHub(deps: NodeHubDeps): NodeHub & { close: () => void } {
  const sessions = openSessionHub(deps);
  const askChannel = `${deps.redisPrefix}node-logs:ask`;
  const answerChannel = (requestId: string) => `${deps.redisPrefix}node-logs:answer:${requestId}`;
  const stopRelays = relayForOthers(deps, askChannel, answerChannel);

  const openElsewhere = async (ask: Extract<Ask, { type: "open" }>, hear: (answer: Answer) => void): Promise<() => void> => {
    const unavailable = () => new AppError("node_unavailable", "No API process is connected to the node that runs this instance.");
    if (deps.redis.status !== "ready" || deps.subscriber.status !== "ready") throw unavailable();
    const channel = answerChannel(ask.requestId);
    const { promise: answered, resolve: gotAnswer } = Promise.withResolvers<boolean>();
    const onMessage = (from: string, text: string) => {
      const answer = from === channel ? AnswerSchema.safeParse(JSON.parse(text)) : undefined;
      if (!answer?.success) return;
      gotAnswer(true);
      hear(answer.data);
    };
    const close = () => {
      deps.subscriber.off("message", onMessage);
      deps.subscriber.unsubscribe(channel).catch(() => {});
      deps.redis.publish(askChannel, JSON.stringify({ type: "close", requestId: ask.requestId } satisfies Ask)).catch(() => {});
    };
    deps.subscriber.on("message", onMessage);
    await deps.subscriber.subscribe(channel);
    await deps.redis.publish(askChannel, JSON.stringify(ask));
    const timer = setTimeout(gotAnswer, ANSWER_WITHIN_MS, false);
    const found = await answered;
    clearTimeout(timer);
    if (found) return close;
    close();
    throw unavailable();
  };

  return {
    logs: (nodeId, request) => readLogs(deps.channels, openElsewhere, nodeId, request),
    session: sessions.session,
    close: () => {
      stopRelays();
      sessions.close();
    },
  };
}

async function* readLogs(
  channels: NodeChannels,
  openElsewhere: (ask: Extract<Ask, { type: "open" }>, hear: (answer: Answer) => void) => Promise<() => void>,
  nodeId: NodeId,
  { instanceId, container, tailLines, follow, signal }: LogRequest,
): AsyncGenerator<LogEntry[], void, void> {
  const requestId = newId("request");
  let waiting: LogEntry[] = [];
  let dropped = 0;
  let ended: "done" | "broken" | undefined;
  let wake = () => {};
  const hear = (entries: LogEntry[] | undefined, done: boolean) => {
    if (entries !== undefined) waiting.push(...entries);
    if (waiting.length > MAX_WAITING_LINES) dropped += waiting.splice(0, waiting.length - MAX_WAITING_LINES).length;
    if (done) ended ??= entries === undefined ? "broken" : "done";
    wake();
  };
  const open = { requestId, instanceId, ...(container === undefined ? {} : { container }), tailLines, follow };
  const close = channels.openLogs(nodeId, open, hear) ?? (await openElsewhere({ type: "open", nodeId, ...open }, (answer) => hear(answer.entries ?? (answer.done ? undefined : []), answer.done)));
  const onAbort = () => wake();
  signal.addEventListener("abort", onAbort);
  try {
    while (!signal.aborted) {
      if (waiting.length > 0) {
        const batch = waiting;
        waiting = [];
        if (dropped > 0) batch.unshift({ instanceId, stream: "system", time: batch[0]?.time ?? new Date().toISOString(), text: `${dropped} lines were dropped: they came faster than they were read` });
        dropped = 0;
        yield batch;
      } else if (ended === "done") {
        return;
      } else if (ended === "broken") {
        throw new AppError("node_unavailable", "The connection to the node that runs this instance broke.");
      } else {
        await new Promise<void>((resolve) => (wake = resolve));
      }
    }
  } finally {
    signal.removeEventListener("abort", onAbort);
    close();
  }
}

/** Answers what other processes ask about nodes whose channel is here. */
function relayForOthers(deps: NodeHubDeps, askChannel: string, answerChannel: (requestId: string) => string): () => void {
  const relays = new Map<string, () => void>();
  const end = (requestId: string) => {
    relays.get(requestId)?.();
    relays.delete(requestId);
  };
  const answer = (requestId: string, message: Answer) => {
    deps.redis.publish(answerChannel(requestId), JSON.stringify(message)).then(
      (hearers) => (hearers === 0 ? end(requestId) : undefined),
      () => end(requestId),
    );
  };
  const open = ({ type: _type, nodeId, ...request }: Extract<Ask, { type: "open" }>) => {
    const { requestId } = request;
    const close = deps.channels.openLogs(nodeId, request, (entries, done) => {
      answer(requestId, entries === undefined ? { done } : { entries, done });
      if (done) end(requestId);
    });
    if (close === undefined) return;
    const timer = setInterval(() => answer(requestId, { entries: [], done: false }), ASKER_CHECK_MS);
    relays.set(requestId, () => {
      clearInterval(timer);
      close();
    });
    answer(requestId, { entries: [], done: false });
  };
  const onMessage = (from: string, text: string) => {
    if (from !== askChannel) return;
    const ask = AskSchema.safeParse(JSON.parse(text));
    if (!ask.success) return;
    if (ask.data.type === "open") open(ask.data);
    else end(ask.data.requestId);
  };
  deps.subscriber.on("message", onMessage);
  deps.subscriber.subscribe(askChannel).catch(() => {});
  return () => {
    deps.subscriber.off("message", onMessage);
    for (const requestId of relays.keys()) end(requestId);
  };
}
