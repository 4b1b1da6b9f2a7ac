/** Both ends of the wake channel, for tests: an agent's place, and one question to an agent. */
import { once } from "node:events";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { WebSocket, WebSocketServer } from "ws";
import type { InstanceId } from "../../core/contract/ids.ts";
import { FromWakerSchema, ToWakerSchema, WAKE_PATH, type FromWaker, type WakeAddress } from "../../core/contract/wake.ts";

const TOKEN = "t".repeat(32);

export interface WakeStandIn {
  /** Instances that were asked for so far. */
  woken: InstanceId[];
  wake: WakeAddress;
  stop(): void;
}

/** Answers as it is told to, and counts; undefined: it never says anything. */
export async function standInAgent(answer: (id: InstanceId) => Promise<boolean | undefined> | boolean | undefined): Promise<WakeStandIn> {
  const woken: InstanceId[] = [];
  const server = createServer().listen(0, "127.0.0.1");
  const channels = new WebSocketServer({ server, path: WAKE_PATH, verifyClient: ({ req }: { req: IncomingMessage }) => req.headers.authorization === `Bearer ${TOKEN}` });
  channels.on("connection", (socket) => {
    socket.on("message", (data) => {
      const { wake: instanceId } = ToWakerSchema.parse(JSON.parse(String(data)));
      woken.push(instanceId);
      void Promise.resolve(answer(instanceId)).then((comes) => {
        if (comes === undefined) return;
        const said: FromWaker = comes ? { type: "woken", instanceId, was: "frozen", address: "127.0.0.1", port: 1, ms: 1 } : { type: "failed", instanceId, detail: "it does not start" };
        socket.send(JSON.stringify(said));
      });
    });
  });
  await once(server, "listening");
  const stop = () => {
    for (const socket of channels.clients) socket.terminate();
    channels.close();
    server.close();
    server.closeAllConnections();
  };
  return { woken, stop, wake: { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, token: TOKEN } };
}

/** The last word about one instance, or the status with which the connection was refused. */
export async function askToWake({ url, token }: WakeAddress, message: unknown, path = WAKE_PATH): Promise<Exclude<FromWaker, { type: "begun" }> | number> {
  const socket = new WebSocket(new URL(path, url.replace("http", "ws")), { headers: { authorization: `Bearer ${token}` } });
  try {
    return await new Promise((resolve, reject) => {
      socket.on("unexpected-response", (_request, response) => resolve(response.statusCode ?? 0));
      socket.on("error", reject);
      socket.on("close", (code) => resolve(code));
      socket.on("open", () => socket.send(JSON.stringify(message)));
      socket.on("message", (data) => {
        const said = FromWakerSchema.parse(JSON.parse(String(data)));
        if (said.type !== "begun") resolve(said);
      });
    });
  } finally {
    socket.terminate();
  }
}
