/** What a run writes, until it has ended: its streams are the command's own, and so is its exit code. */
import { setTimeout as sleep } from "node:timers/promises";
import type { LogEntry, Run } from "../client/index.ts";
import type { Client } from "./client.ts";
import { CliError, EXIT } from "./errors.ts";
import { safeLogText, type Output } from "./output.ts";
import { eventStream, readEvent } from "./sse.ts";
import { isTransient } from "./transport.ts";

const TAIL_LINES = 10_000;
const LOOK_EVERY_MS = 300;

export async function followRun(client: Client, out: Output, made: Run): Promise<void> {
  const { app, id } = made;
  let isCancelled = false;
  const cancel = () => {
    if (isCancelled) process.exit(EXIT.cancelled);
    isCancelled = true;
    process.stderr.write(`Cancelling ${id}; Ctrl-C once more does not wait for its end.\n`);
    void client.cancelRun(app, id).catch(() => {});
  };
  process.on("SIGINT", cancel);
  try {
    await writeLogs(client, out, made);
    const ended = await untilEnded(client, made);
    out.document(ended);
    if (isCancelled) process.exitCode = EXIT.cancelled;
    else if (ended.state !== "succeeded") fail(ended);
  } finally {
    process.off("SIGINT", cancel);
  }
}

/** The program's own exit code; where it has none, or another one was meant, an error says why. */
function fail({ id, app, failure, exitCode }: Run): void {
  if (failure?.code === "command_failed" && exitCode !== null && exitCode !== 0) {
    process.exitCode = exitCode;
    return;
  }
  throw new CliError(`The run failed: ${failure?.detail ?? "it says no reason."}`, { code: failure?.code ?? "run_failed", hint: `Look at it: berth jobs show ${id} --app ${app}` });
}

async function writeLogs(client: Client, out: Output, { app, id }: Run): Promise<void> {
  const signal = new AbortController().signal;
  let opened = false;
  const events = eventStream({
    open: async (_lastEventId, inner) => {
      const response = await client.followRunLogs(app, id, { tail: opened ? 0 : TAIL_LINES, follow: true }, inner);
      opened = true;
      return response;
    },
    isTransient,
    signal,
    reconnectAtEnd: false,
  });
  for await (const message of events) {
    if (message.event === "end") return;
    if (message.event !== "log") continue;
    const entry = readEvent<LogEntry>(message, "text");
    out.event(entry);
    if (out.json) continue;
    const stream = entry.stream === "stdout" ? process.stdout : process.stderr;
    stream.write(`${safeLogText(entry.text, out.colors.isColorSupported)}\n`);
  }
}

async function untilEnded(client: Client, { app, id }: Run): Promise<Run> {
  for (;;) {
    const run = await client.run(app, id);
    if (run.finishedAt !== null) return run;
    await sleep(LOOK_EVERY_MS);
  }
}
