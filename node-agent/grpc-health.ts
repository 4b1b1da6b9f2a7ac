/**
 * Asking a gRPC server for its health, as Kubernetes does. Over plain HTTP/2: one unary call is one POST, its message
 * behind five bytes (compressed or not, length). The two messages have one field each, so they are written here.
 * Sources: https://github.com/grpc/grpc/blob/master/doc/health-checking.md,
 * https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md, https://protobuf.dev/programming-guides/encoding/
 */
import { connect } from "node:http2";

const PATH = "/grpc.health.v1.Health/Check";
const ANSWER_MAX_BYTES = 4096;
const PREFIX_BYTES = 5;
const SERVING = 1;
/** Field 1 as bytes, and as a number. */
const [SERVICE_TAG, STATUS_TAG] = [0x0a, 0x08];

/** `HealthCheckRequest { string service = 1; }` */
export function encodeRequest(service: string): Buffer {
  const name = Buffer.from(service);
  const message = name.length === 0 ? name : Buffer.concat([Buffer.from([SERVICE_TAG, ...varint(name.length)]), name]);
  const prefix = Buffer.alloc(PREFIX_BYTES);
  prefix.writeUInt32BE(message.length, 1);
  return Buffer.concat([prefix, message]);
}

function varint(value: number): number[] {
  return value < 128 ? [value] : [(value & 127) | 128, ...varint(value >>> 7)];
}

/** Whether `HealthCheckResponse { ServingStatus status = 1; }` says SERVING. */
export function saysServing(answer: Buffer): boolean {
  if (answer.length < PREFIX_BYTES || answer[0] !== 0 || answer.readUInt32BE(1) !== answer.length - PREFIX_BYTES) return false;
  const message = answer.subarray(PREFIX_BYTES);
  return message.length === 2 && message[0] === STATUS_TAG && message[1] === SERVING;
}

export function answersGrpc(address: string, port: number, service: string, timeoutMs: number, signal: AbortSignal): Promise<boolean> {
  return new Promise((resolve) => {
    const within = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
    const session = connect(`http://${address}:${port}`);
    const end = (isWell: boolean) => {
      session.destroy();
      resolve(isWell);
    };
    within.addEventListener("abort", () => end(false), { once: true });
    session.once("error", () => end(false));
    session.once("close", () => end(false));
    const call = session.request({ ":method": "POST", ":path": PATH, "content-type": "application/grpc", te: "trailers", "grpc-timeout": `${timeoutMs}m`, "user-agent": "berth-probe" });
    let status: unknown;
    const chunks: Buffer[] = [];
    // Errors come without a message: then the status stands in the headers.
    call.on("response", (headers) => (status = headers["grpc-status"]));
    call.on("trailers", (trailers) => (status = trailers["grpc-status"]));
    call.on("data", (chunk: Buffer) => {
      chunks.push(chunk);
      if (chunks.reduce((sum, { length }) => sum + length, 0) > ANSWER_MAX_BYTES) end(false);
    });
    call.once("error", () => end(false));
    call.once("end", () => end(status === "0" && saysServing(Buffer.concat(chunks))));
    call.end(encodeRequest(service));
  });
}
