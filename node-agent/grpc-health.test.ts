import assert from "node:assert/strict";
import { createServer, type Http2Server } from "node:http2";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { answersGrpc, encodeRequest, saysServing } from "./grpc-health.ts";

const answerOf = (...message: number[]) => Buffer.from([0, 0, 0, 0, message.length, ...message]);

test("messages are as protobuf has them", () => {
  assert.deepEqual([...encodeRequest("")], [0, 0, 0, 0, 0]);
  assert.deepEqual([...encodeRequest("db")], [0, 0, 0, 0, 4, 0x0a, 2, 100, 98]);
  assert.deepEqual([...encodeRequest("x".repeat(200)).subarray(0, 8)], [0, 0, 0, 0, 203, 0x0a, 0xc8, 1]);
  assert.equal(saysServing(answerOf(0x08, 1)), true);
  // NOT_SERVING; UNKNOWN, which is nothing; cut short; compressed.
  for (const bad of [answerOf(0x08, 2), answerOf(), answerOf(0x08, 1).subarray(0, 6), Buffer.from([1, 0, 0, 0, 2, 8, 1]), Buffer.alloc(0)]) assert.equal(saysServing(bad), false);
});

async function withServer(serve: (service: string) => { message: Buffer; status: string } | undefined, run: (port: number) => Promise<void>): Promise<void> {
  const server: Http2Server = createServer();
  server.on("stream", (stream, headers) => {
    assert.deepEqual([headers[":method"], headers[":path"], headers["content-type"], headers["te"]], ["POST", "/grpc.health.v1.Health/Check", "application/grpc", "trailers"]);
    const chunks: Buffer[] = [];
    stream.on("error", () => {});
    stream.on("data", (chunk: Buffer) => chunks.push(chunk));
    stream.on("end", () => {
      const answer = serve(Buffer.concat(chunks).subarray(7).toString());
      if (answer === undefined) return;
      if (answer.status !== "0") return void stream.respond({ ":status": 200, "content-type": "application/grpc", "grpc-status": answer.status }, { endStream: true });
      stream.respond({ ":status": 200, "content-type": "application/grpc" }, { waitForTrailers: true });
      stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": answer.status }));
      stream.end(answer.message);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  try {
    await run((server.address() as AddressInfo).port);
  } finally {
    server.close();
  }
}

test("a server is well when it says SERVING, in time", async () => {
  const ask = (port: number, service: string, timeoutMs = 5000) => answersGrpc("127.0.0.1", port, service, timeoutMs, new AbortController().signal);
  const serve = (service: string) =>
    service === "slow" ? undefined : service === "unknown" ? { message: Buffer.alloc(0), status: "5" } : { message: answerOf(0x08, service === "down" ? 2 : 1), status: "0" };
  await withServer(serve, async (port) => {
    assert.deepEqual(await Promise.all(["", "up", "down", "unknown"].map((service) => ask(port, service))), [true, true, false, false]);
    assert.equal(await ask(port, "slow", 200), false);
  });
  assert.equal(await ask(1, ""), false);
});
