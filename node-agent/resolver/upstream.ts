/** Asking the host's name servers what is not ours to answer: bounded in number, size and time. */
import { randomInt } from "node:crypto";
import { createSocket } from "node:dgram";
import { connect } from "node:net";
import { isAnswerTo, withId } from "./messages.ts";

const TIMEOUT_MS = 2000;
const MAX_AT_ONCE = 1000;
const MAX_PER_TENANT = 100;

export interface UpstreamServer {
  address: string;
  port: number;
}

/** `192.0.2.53` or `192.0.2.53:5353`. */
export function parseServer(text: string): UpstreamServer {
  const [address = "", port = "53"] = text.split(":");
  return { address, port: Number(port) };
}

export class Upstream {
  readonly #servers: readonly UpstreamServer[];
  readonly #open = new Map<string, number>();
  #total = 0;

  constructor(servers: readonly UpstreamServer[]) {
    this.#servers = servers;
  }

  /** What the first server says that answers; undefined: none does, or too much is being asked. */
  async ask(tenant: string, query: Buffer, over: "udp" | "tcp"): Promise<Buffer | undefined> {
    const mine = this.#open.get(tenant) ?? 0;
    if (mine >= MAX_PER_TENANT || this.#total >= MAX_AT_ONCE) return undefined;
    this.#open.set(tenant, mine + 1);
    this.#total++;
    try {
      for (const server of this.#servers) {
        // Another id and another port each time: nobody who does not see the question can answer it.
        const asked = withId(query, randomInt(65_536));
        const answer = await (over === "udp" ? askUdp : askTcp)(server, asked).catch(() => undefined);
        if (answer !== undefined) return withId(answer, query.readUInt16BE(0));
      }
      return undefined;
    } finally {
      this.#total--;
      const left = (this.#open.get(tenant) ?? 1) - 1;
      if (left === 0) this.#open.delete(tenant);
      else this.#open.set(tenant, left);
    }
  }
}

function askUdp({ address, port }: UpstreamServer, asked: Buffer): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const socket = createSocket("udp4");
    const end = (settle: () => void) => {
      clearTimeout(timer);
      socket.close();
      settle();
    };
    const timer = setTimeout(() => end(() => reject(new Error("no answer"))), TIMEOUT_MS);
    socket.once("error", (error) => end(() => reject(error)));
    socket.on("message", (answer) => {
      if (isAnswerTo(asked, answer)) end(() => resolve(answer));
    });
    // Connected: the kernel takes nothing from anybody else.
    socket.connect(port, address, () => socket.send(asked));
  });
}

function askTcp({ address, port }: UpstreamServer, asked: Buffer): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: address, port, timeout: TIMEOUT_MS });
    let heard = Buffer.alloc(0);
    const timer = setTimeout(() => socket.destroy(new Error("no answer")), TIMEOUT_MS);
    socket.once("connect", () => socket.write(framed(asked)));
    socket.on("data", (data) => {
      heard = Buffer.concat([heard, data]);
      const whole = heard.length >= 2 ? heard.readUInt16BE(0) : undefined;
      if (whole === undefined || heard.length < whole + 2) return;
      const answer = heard.subarray(2, whole + 2);
      if (isAnswerTo(asked, answer)) resolve(Buffer.from(answer));
      socket.destroy();
    });
    socket.once("error", reject);
    socket.once("close", () => {
      clearTimeout(timer);
      reject(new Error("no answer"));
    });
  });
}

/** As it goes over TCP: behind its length. */
export function framed(message: Buffer): Buffer {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(message.length);
  return Buffer.concat([length, message]);
}
