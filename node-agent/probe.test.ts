/** Checks of apps that answer what no app should: each has an end, and none of them is the agent's. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type AddressInfo, type Socket } from "node:net";
import { test } from "node:test";
import type { Check } from "../core/contract/checks.ts";
import { isWell } from "./probe.ts";

const TIMEOUT_MS = 300;
const ODD: Record<string, (socket: Socket) => void> = {
  "another protocol": (socket) => socket.write("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nx"),
  "an early answer and no other": (socket) => socket.write("HTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\n"),
  "no HTTP": (socket) => socket.write("\0\0\0\0"),
  "nothing": () => {},
  "the end": (socket) => socket.end(),
  "a reset": (socket) => socket.resetAndDestroy(),
};

test("whatever an app answers, a check ends in its time", async () => {
  for (const [name, answer] of Object.entries(ODD)) {
    const server = createServer((socket) => void socket.unref().on("error", () => {}).once("data", () => answer(socket))).listen(0, "127.0.0.1").unref();
    await once(server, "listening");
    const patient = { address: "127.0.0.1", port: (server.address() as AddressInfo).port, host: () => assert.fail(), hasOwnKernel: false };
    for (const check of [{ kind: "http", path: "/" }, { kind: "grpc" }] satisfies Check[]) {
      const late = AbortSignal.timeout(5 * TIMEOUT_MS);
      const outcome = await Promise.race([isWell(patient, check, TIMEOUT_MS, new AbortController().signal), once(late, "abort").then(() => "never")]);
      assert.equal(outcome, false, `${check.kind}: ${name}`);
    }
    server.close();
  }
});
