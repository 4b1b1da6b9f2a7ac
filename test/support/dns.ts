/** A small name server of a test's own, on UDP: TXT records by name. */
import { createSocket } from "node:dgram";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { decode, encode } from "dns-packet";

export interface TestDns {
  /** `address:port`, as `BERTH_DNS_SERVERS` takes it. */
  server: string;
  txt: Map<string, string[]>;
  /** Names that get no answer. */
  silent: Set<string>;
  close(): void;
}

export async function startTestDns(): Promise<TestDns> {
  const txt = new Map<string, string[]>();
  const silent = new Set<string>();
  const socket = createSocket("udp4");
  socket.on("message", (message, from) => {
    const { id, questions = [] } = decode(message);
    const [question] = questions;
    const name = question?.name.toLowerCase() ?? "";
    if (question === undefined || silent.has(name)) return;
    const texts = question.type === "TXT" ? (txt.get(name) ?? []) : [];
    const rcode = txt.has(name) ? 0 : 3;
    socket.send(encode({ type: "response", id: id ?? 0, flags: 0x0180 | rcode, questions, answers: texts.map((text) => ({ type: "TXT" as const, name, ttl: 0, data: text })) }), from.port, from.address);
  });
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  return { server: `127.0.0.1:${(socket.address() as AddressInfo).port}`, txt, silent, close: () => socket.close() };
}
