// A WebSocket echo without any package (RFC 6455), so that it builds without a network. Text messages up to 64 KiB.
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import http from "node:http";

const GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const TEXT = 1, CLOSE = 8, PING = 9, PONG = 10;
const page = readFileSync(new URL("index.html", import.meta.url));

function frame(opcode, payload) {
  const long = payload.length > 125;
  const head = Buffer.alloc(long ? 4 : 2);
  head[0] = 0x80 | opcode;
  head[1] = long ? 126 : payload.length;
  if (long) head.writeUInt16BE(payload.length, 2);
  return Buffer.concat([head, payload]);
}

// The next whole frame of the buffer, and what is left; undefined while it is not whole.
function parse(buffer) {
  if (buffer.length < 2) return undefined;
  let length = buffer[1] & 0x7f;
  let at = 2;
  if (length === 127 || (buffer[1] & 0x80) === 0) return { opcode: CLOSE, payload: Buffer.alloc(0), rest: Buffer.alloc(0) };
  if (length === 126) {
    if (buffer.length < 4) return undefined;
    length = buffer.readUInt16BE(2);
    at = 4;
  }
  if (buffer.length < at + 4 + length) return undefined;
  const mask = buffer.subarray(at, at + 4);
  const payload = Buffer.from(buffer.subarray(at + 4, at + 4 + length));
  for (let index = 0; index < length; index++) payload[index] ^= mask[index % 4];
  return { opcode: buffer[0] & 0x0f, payload, rest: buffer.subarray(at + 4 + length) };
}

const server = http.createServer((request, response) => response.writeHead(200, { "content-type": "text/html; charset=utf-8" }).end(page));
server.on("upgrade", (request, socket) => {
  const key = request.headers["sec-websocket-key"];
  if (key === undefined) return socket.end("HTTP/1.1 400 Bad Request\r\n\r\n");
  const accept = createHash("sha1").update(key + GUID).digest("base64");
  socket.write(`HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`);
  let buffer = Buffer.alloc(0);
  socket.on("error", () => socket.destroy());
  socket.on("data", (chunk) => {
    buffer = Buffer.concat([buffer, chunk]);
    for (let found = parse(buffer); found !== undefined; found = parse(buffer)) {
      buffer = found.rest;
      if (found.opcode === CLOSE) return socket.end(frame(CLOSE, found.payload));
      if (found.opcode === PING) socket.write(frame(PONG, found.payload));
      if (found.opcode === TEXT) socket.write(frame(TEXT, found.payload));
    }
  });
});

const port = Number(process.env.PORT ?? 8080);
server.listen(port, () => console.log(`listening on port ${port}`));
process.on("SIGTERM", () => process.exit(0));
