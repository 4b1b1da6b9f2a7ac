import assert from "node:assert/strict";
import { test } from "node:test";
import { parsePackets, parseSockets } from "./traffic.ts";

test("packets both ways, by interface", () => {
  const text = `Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo: 5000      50    0    0    0     0          0         0     5000      50    0    0    0     0       0          0
bthi12:1306        17    0    0    0     0          0         0     1306      3    0    0    0     0       0          0
`;
  assert.deepEqual([...parsePackets(text)], [["lo", 100], ["bthi12", 20]]);
});

const line = (port: number, state: string, queued: number) => `   0: 0100007F:${port.toString(16).toUpperCase().padStart(4, "0")} 00000000:0000 ${state} 00000000:${queued.toString(16).padStart(8, "0")} 00:00000000`;
const table = (...lines: string[]) => ["  sl  local_address rem_address   st tx_queue rx_queue tr tm->when", ...lines, ""].join("\n");

test("open connections to the port, and what waits on any socket", () => {
  assert.deepEqual(parseSockets(table(line(8080, "0A", 0)), 8080), { connections: 0, waiting: false });
  assert.deepEqual(parseSockets(table(line(8080, "0A", 1)), 8080), { connections: 0, waiting: true }, "a connection that nobody has accepted");
  assert.deepEqual(parseSockets(table(line(8080, "01", 0), line(5432, "01", 0)), 8080), { connections: 1, waiting: false });
  assert.deepEqual(parseSockets(table(line(5432, "01", 12)), 8080), { connections: 0, waiting: true }, "an answer on a connection of its own");
  assert.deepEqual(parseSockets(table(line(5432, "08", 1)), 8080), { connections: 0, waiting: false }, "its end alone");
  assert.deepEqual(parseSockets(table(line(8080, "08", 80)), 8080), { connections: 0, waiting: true }, "a request whose sender has nothing more to say");
});
