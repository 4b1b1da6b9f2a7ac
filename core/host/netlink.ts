/**
 * Sockets to the kernel's networking, in the network namespace that they were opened in. Programs such as `ip` and `nft` take
 * ten times as long for the same.
 */
import { closeSync } from "node:fs";
import { errnoName, openNetlink, receiveNow, sendNow, sendSoon } from "./syscalls.ts";
import { aligned, chunks, NLM_F_ACK, NLMSG_ERROR, NLMSGERR_ATTR_MSG, type Request } from "./commands/netlink.ts";
import { beginBatch, endBatch } from "./commands/nftables.ts";
import { findLink, indexIn } from "./commands/rtnetlink.ts";

const [NETLINK_ROUTE, NETLINK_NETFILTER] = [0, 12];
/** The kernel answers each at once, and keeps no more than some hundred answers. */
const MAX_TOGETHER = 64;
const ANSWER_BYTES = 16_384;
/** Offsets in a message, and where the error of an answer ends and its attributes begin. */
const [LENGTH, TYPE, FLAGS, SEQUENCE, ERROR, ATTRIBUTES] = [0, 4, 6, 8, 16, 36];

export class NetlinkError extends Error {
  readonly code: string;

  constructor(what: string, code: string, said = "") {
    super(`${what} failed: ${code}${said === "" ? "" : ` (${said})`}`);
    this.name = "NetlinkError";
    this.code = code;
  }
}

interface Answers {
  errors: NetlinkError[];
  others: Buffer[];
}

class Netlink {
  readonly #socket: number;
  readonly #answer = Buffer.alloc(ANSWER_BYTES);
  #sequence = 0;

  constructor(protocol: number) {
    this.#socket = openNetlink(protocol);
  }

  close(): void {
    closeSync(this.#socket);
  }

  protected ask(requests: readonly Request[]): Answers {
    sendNow(this.#socket, this.#number(requests));
    return this.#read(requests);
  }

  /** The same on a thread, for what the kernel takes its time for. One at a time. */
  protected async askOnThread(requests: readonly Request[]): Promise<Answers> {
    await sendSoon(this.#socket, this.#number(requests));
    return this.#read(requests);
  }

  #number(requests: readonly Request[]): Buffer {
    return Buffer.concat(requests.map(({ bytes }) => {
      bytes.writeUInt32LE(++this.#sequence, SEQUENCE);
      return bytes;
    }));
  }

  /** All answers are there when what was asked is done. */
  #read(requests: readonly Request[]): Answers {
    const first = this.#sequence - requests.length + 1;
    const answers: Answers = { errors: [], others: [] };
    for (let open = requests.filter(({ bytes }) => bytes.readUInt16LE(FLAGS) & NLM_F_ACK).length; open > 0; ) {
      const length = receiveNow(this.#socket, this.#answer);
      if (length === undefined) {
        if (answers.errors.length === 0) answers.errors.push(new NetlinkError(requests[0]?.what ?? "", "ENOMSG"));
        break;
      }
      for (const message of messagesIn(this.#answer.subarray(0, length))) {
        const request = requests[message.readUInt32LE(SEQUENCE) - first];
        if (message.readUInt16LE(TYPE) !== NLMSG_ERROR) answers.others.push(Buffer.from(message));
        else if (request !== undefined) {
          open--;
          const errno = -message.readInt32LE(ERROR);
          if (errno !== 0) answers.errors.push(new NetlinkError(request.what, errnoName(errno), saidIn(message)));
        }
      }
    }
    return answers;
  }
}

/** Links, addresses, routes, queues. */
export class Rtnetlink extends Netlink {
  constructor() {
    super(NETLINK_ROUTE);
  }

  /** All are tried. @throws NetlinkError of the first that failed */
  do(...requests: Request[]): void {
    const [error] = chunks(requests, MAX_TOGETHER).flatMap((some) => this.ask(some).errors);
    if (error) throw error;
  }

  /** The same on a thread. One at a time. Gives what failed. */
  async doSoon(...requests: Request[]): Promise<NetlinkError[]> {
    const errors: NetlinkError[] = [];
    for (const some of chunks(requests, MAX_TOGETHER)) errors.push(...(await this.askOnThread(some)).errors);
    return errors;
  }

  /** By which number the kernel knows an interface; undefined when there is none with that name. @throws NetlinkError */
  indexOf(name: string): number | undefined {
    const { errors: [error], others: [found] } = this.ask([findLink(name)]);
    if (error && error.code !== "ENODEV") throw error;
    return found && indexIn(found);
  }

  /** @throws NetlinkError */
  mustFind(name: string): number {
    const index = this.indexOf(name);
    if (index === undefined) throw new NetlinkError(findLink(name).what, "ENODEV");
    return index;
  }
}

/** The firewall. */
export class Nftables extends Netlink {
  constructor() {
    super(NETLINK_NETFILTER);
  }

  /** All or none. @throws NetlinkError */
  change(requests: readonly Request[]): void {
    const [error] = this.ask([beginBatch(), ...requests, endBatch()]).errors;
    if (error) throw error;
  }
}

function* messagesIn(bytes: Buffer): Generator<Buffer> {
  for (let at = 0; at < bytes.length; ) {
    const message = bytes.subarray(at, at + bytes.readUInt32LE(at + LENGTH));
    yield message;
    at += aligned(message.length);
  }
}

/** The kernel's own words in an answer, if it has any. */
function saidIn(message: Buffer): string {
  for (let at = ATTRIBUTES; at + 4 <= message.length; ) {
    const length = message.readUInt16LE(at);
    if (message.readUInt16LE(at + 2) === NLMSGERR_ATTR_MSG) return message.toString("utf8", at + 4, at + length - 1);
    at += Math.max(4, aligned(length));
  }
  return "";
}
