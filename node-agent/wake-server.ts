/** Where gateways wake this node's instances: `core/contract/wake.ts`. Instances cannot reach it: the firewall drops what they send to the host. */
import { randomBytes, timingSafeEqual } from "node:crypto";
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { z } from "zod";
import { parseId, type InstanceId } from "../core/contract/ids.ts";
import { wakePath, type WakeAddress, type Woken } from "../core/contract/wake.ts";
import type { Log } from "../core/log.ts";
import { NotReady } from "./not-ready.ts";

const SavedSchema = z.object({ token: z.string().min(32), port: z.number().int() });

export interface WakeServerOptions {
  /** `ADDRESS:PORT`; port 0: any, and the same again after a restart, as gateways know it. */
  listen: string;
  /** Token and port live here. */
  stateFile: string;
  /** Undefined: there is no such instance. @throws NotReady */
  wake: (id: InstanceId) => Promise<Omit<Woken, "ms">> | undefined;
  log: Log;
}

export interface WakeServer {
  address: WakeAddress;
  close(): void;
}

export async function openWakeServer(options: WakeServerOptions): Promise<WakeServer> {
  const at = options.listen.lastIndexOf(":");
  const [host, wantedPort] = [options.listen.slice(0, at), Number(options.listen.slice(at + 1))];
  const saved = readState(options.stateFile);
  const token = saved?.token ?? randomBytes(24).toString("hex");
  const expected = Buffer.from(`Bearer ${token}`);
  const server = createServer({ keepAliveTimeout: 120_000 }, (request, response) => void answer(options, expected, request, response));
  const listen = (port: number) =>
    new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen({ host, port }, () => {
        server.off("error", reject);
        resolve();
      });
    });
  const tries = wantedPort === 0 && saved !== undefined ? [saved.port, 0] : [wantedPort];
  for (const [index, port] of tries.entries()) {
    try {
      await listen(port);
      break;
    } catch (error) {
      if (index === tries.length - 1) throw error;
    }
  }
  const { port } = server.address() as AddressInfo;
  writeFileSync(`${options.stateFile}.new`, JSON.stringify({ token, port }), { mode: 0o600 });
  renameSync(`${options.stateFile}.new`, options.stateFile);
  return {
    address: { url: `http://${host}:${port}`, token },
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}

async function answer({ wake, log }: WakeServerOptions, expected: Buffer, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const beganAt = performance.now();
  const say = (status: number, body: object) => {
    response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
  };
  request.resume();
  const given = Buffer.from(request.headers.authorization ?? "");
  if (given.length !== expected.length || !timingSafeEqual(given, expected)) return say(401, { detail: "a valid token is needed" });
  const id = parseId("instance", (request.url ?? "").slice(wakePath("").length));
  const waking = request.method === "POST" && request.url?.startsWith(wakePath("")) && id !== undefined ? wake(id) : undefined;
  if (waking === undefined) return say(404, { detail: "there is no such instance here" });
  try {
    const woken = await waking;
    say(200, { ...woken, ms: Math.round((performance.now() - beganAt) * 10) / 10 } satisfies Woken);
  } catch (error) {
    if (!(error instanceof NotReady)) log.error({ err: error, instanceId: id }, "an instance was not woken");
    say(503, { detail: error instanceof Error ? error.message : String(error) });
  }
}

function readState(path: string): z.infer<typeof SavedSchema> | undefined {
  try {
    return SavedSchema.parse(JSON.parse(readFileSync(path, "utf8")));
  } catch {
    return undefined;
  }
}
