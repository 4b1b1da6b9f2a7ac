/** Server-sent events that go on after a broken connection (`Last-Event-ID`). */
import { setTimeout as sleep } from "node:timers/promises";
import { createParser, type EventSourceMessage } from "eventsource-parser";
import { CliError } from "./errors.ts";

const MAX_EVENT_BYTES = 8 * 2 ** 20;
const RECONNECT_MIN_MS = 200;
const RECONNECT_MAX_MS = 5000;
/** Attempts in a row without one event, before we give up. */
const MAX_FAILED_ATTEMPTS = 10;

export interface EventStreamOptions {
  /** Opens the stream after this event id. Throws `CliError`; one whose `transient` test says so is tried again. */
  open: (lastEventId: string | undefined, signal: AbortSignal) => Promise<Response>;
  isTransient: (error: unknown) => boolean;
  signal: AbortSignal;
  /** The connection broke and is being made again. */
  onReconnect?: (attempt: number) => void;
  /** False: the stream's end is its end (a log that is not followed). */
  reconnectAtEnd?: boolean;
}

/** The events, in order. Ends when the signal is aborted; the consumer leaves when it has seen the last one. */
export async function* eventStream(options: EventStreamOptions): AsyncGenerator<EventSourceMessage> {
  const { signal, reconnectAtEnd = true } = options;
  let lastEventId: string | undefined;
  let failed = 0;
  while (!signal.aborted) {
    let ended = false;
    try {
      const response = await options.open(lastEventId, signal);
      for await (const message of messages(response, signal)) {
        if (message.id !== undefined && message.id !== "") lastEventId = message.id;
        failed = 0;
        yield message;
      }
      ended = true;
    } catch (error) {
      if (signal.aborted) return;
      if (!options.isTransient(error)) throw error;
      if (failed >= MAX_FAILED_ATTEMPTS) throw error;
    }
    if (ended && !reconnectAtEnd) return;
    if (failed >= MAX_FAILED_ATTEMPTS) throw new CliError("The connection breaks again and again.", { code: "connection_lost", hint: "What was started goes on; see «berth status»." });
    failed++;
    options.onReconnect?.(failed);
    await sleep(Math.min(RECONNECT_MIN_MS * 2 ** (failed - 1), RECONNECT_MAX_MS), undefined, { signal }).catch(() => {});
  }
}

/** What an event says. `key`: a field that it must have. */
export function readEvent<T extends object>(message: EventSourceMessage, key: keyof T & string): T {
  let value: unknown;
  try {
    value = JSON.parse(message.data);
  } catch {
    value = undefined;
  }
  if (typeof value === "object" && value !== null && key in value) return value as T;
  throw new CliError(`The API's event «${message.event}» is not understood.`, { code: "bad_response", hint: "The CLI and the API may be of different versions." });
}

async function* messages(response: Response, signal: AbortSignal): AsyncGenerator<EventSourceMessage> {
  if (response.body === null) return;
  const queue: EventSourceMessage[] = [];
  let tooLong = false;
  const parser = createParser({
    onEvent: (message) => queue.push(message),
    onError: (error) => (tooLong ||= error.type === "max-buffer-size-exceeded"),
    maxBufferSize: MAX_EVENT_BYTES,
  });
  const decoder = new TextDecoder();
  const reader = response.body.getReader();
  try {
    while (!signal.aborted) {
      const { done, value } = await reader.read();
      if (done) return;
      parser.feed(decoder.decode(value, { stream: true }));
      if (tooLong) throw new CliError("The API sent an event that is too long.", { code: "bad_response" });
      yield* queue.splice(0);
    }
  } finally {
    // The consumer may leave early; nothing more is wanted from this connection.
    await reader.cancel().catch(() => {});
  }
}
