import type { Command } from "commander";
import { createServer, type Socket } from "node:net";
import { once } from "node:events";
import { chooseApp } from "../app-name.ts";
import type { Client } from "../client.ts";
import { CliError, EXIT, usageError } from "../errors.ts";
import { commonOptions, openSession, type CommonOptions } from "../session.ts";
import { chooseInstance, connectSession } from "../sessions/connect.ts";
import type { Output } from "../output.ts";

interface Options extends CommonOptions {
  instance?: string;
}

interface Forward {
  local: number;
  remote: number;
}

export function define(command: Command): void {
  commonOptions(command)
    .argument("<ports...>", "PORT, or HERE:PORT; 0 takes a free one here")
    .option("-i, --instance <id>", "the instance, by its id or the end of it (default: one that is ready)")
    .addHelpText(
      "after",
      `
Connections to the ports here (on 127.0.0.1) reach the instance's, also those that the app opens for itself alone. Until Ctrl-C.

Examples:
  $ berth port-forward hello 9229           a debugger
  $ berth port-forward hello 15432:5432
  $ berth port-forward hello 0:8080 9229`,
    )
    .action(forward);
}

async function forward(named: string, ports: string[], options: Options): Promise<void> {
  const { out, client } = openSession(options);
  const wanted = ports.map(parseForward);
  const app = await chooseApp(named, ".");
  const instance = await chooseInstance(client, app, options.instance);
  const servers = await Promise.all(wanted.map((each) => listen(out, client, { app, instance }, each)));
  await new Promise<void>((resolve) => process.once("SIGINT", () => resolve()));
  for (const server of servers) server.close();
  process.exitCode = EXIT.cancelled;
}

function parseForward(text: string): Forward {
  const [, first = "", second] = /^(\d{1,5})(?::(\d{1,5}))?$/.exec(text) ?? [];
  const [local, remote] = [Number(first), Number(second ?? first)];
  if (first === "" || local > 65_535 || remote > 65_535 || remote === 0) throw usageError(`«${text}» is no port: give PORT or HERE:PORT.`);
  return { local, remote };
}

async function listen(out: Output, client: Client, place: { app: string; instance: string }, { local, remote }: Forward) {
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (socket) => {
    pass(client, place, remote, socket).catch((error: unknown) => {
      socket.destroy();
      out.warn(error instanceof CliError ? error.message : String(error));
    });
  });
  server.listen(local, "127.0.0.1");
  await once(server, "listening").catch((error: NodeJS.ErrnoException) => {
    throw new CliError(`Port ${local} here cannot be used: ${error.code ?? error.message}.`, { code: "local_port", hint: `Take a free one: 0:${remote}` });
  });
  const { port } = server.address() as { port: number };
  out.result(`127.0.0.1:${port} → ${place.app} ${remote}`);
  out.event({ local: port, remote, instance: place.instance });
  return server;
}

/** One connection: bytes both ways, each at the other's pace. */
async function pass(client: Client, place: { app: string; instance: string }, port: number, socket: Socket): Promise<void> {
  socket.on("error", () => {});
  const session = await connectSession(client, { ...place, path: `ports/${port}` }, undefined, {
    onData: (_stream, bytes, resume) => {
      if (socket.write(bytes)) return true;
      socket.once("drain", resume);
      return false;
    },
  });
  socket.once("close", () => session.close());
  const sending = (async () => {
    for await (const chunk of socket) await session.write(chunk as Buffer);
    session.end();
  })();
  sending.catch(() => session.close());
  try {
    await session.ended;
    socket.end();
  } catch (error) {
    // The socket here was closed: that is how most of them end.
    if (!socket.destroyed) throw error;
  } finally {
    session.close();
  }
}
