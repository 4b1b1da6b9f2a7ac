/** A socket to the kernel's routing, in the network namespace that it was opened in. Programs such as `ip` take ten times as long for the same. */
import { closeSync } from "node:fs";
import { errnoName, openRtnetlink, receive, sendNow, sendSoon } from "./syscalls.ts";
import { findLink, indexIn, NLMSG_ERROR, NLMSGERR_ATTR_MSG, type Request } from "./commands/rtnetlink.ts";

/** The kernel answers each at once, and keeps no more than some hundred answers. */
const MAX_TOGETHER = 64;
const ANSWER_BYTES = 16_384;
/** Offsets in a message, and where the error of an answer ends and its attributes begin. */
const [LENGTH, TYPE, SEQUENCE, ERROR, ATTRIBUTES] = [0, 4, 8, 16, 36];

export class RtnetlinkError extends Error {
  readonly code: string;

  constructor(what: string, code: string, said: string) {
    super(`${what} failed: ${code}${said === "" ? "" : ` (${said})`}`);
    this.name = "RtnetlinkError";
    this.code = code;
  }
}

export class Rtnetlink {
  readonly #socket = openRtnetlink();
  readonly #answer = Buffer.alloc(ANSWER_BYTES);
  #sequence = 0;

  close(): void {
    closeSync(this.#socket);
  }

  /** All are tried. @throws RtnetlinkError of the first that failed */
  ask(...requests: Request[]): void {
    const errors = chunks(requests).flatMap((some) => {
      sendNow(this.#socket, this.#number(some));
      return this.#read(some).errors;
    });
    if (errors[0]) throw errors[0];
  }

  /** The same on a thread, for what the kernel takes its time for. One at a time. Gives what failed. */
  async askSoon(...requests: Request[]): Promise<RtnetlinkError[]> {
    const errors: RtnetlinkError[] = [];
    for (const some of chunks(requests)) {
      await sendSoon(this.#socket, this.#number(some));
      errors.push(...this.#read(some).errors);
    }
    return errors;
  }

  /** By which number the kernel knows an interface; undefined when there is none with that name. @throws RtnetlinkError */
  indexOf(name: string): number | undefined {
    const request = findLink(name);
    sendNow(this.#socket, this.#number([request]));
    const { errors: [error], others: [found] } = this.#read([request]);
    if (error && error.code !== "ENODEV") throw error;
    return found && indexIn(found);
  }

  /** @throws RtnetlinkError */
  mustFind(name: string): number {
    const index = this.indexOf(name);
    if (index === undefined) throw new RtnetlinkError(findLink(name).what, "ENODEV", "");
    return index;
  }

  #number(requests: readonly Request[]): Buffer {
    return Buffer.concat(requests.map(({ bytes }) => {
      bytes.writeUInt32LE(++this.#sequence, SEQUENCE);
      return bytes;
    }));
  }

  /** Until each of them has its answer. */
  #read(requests: readonly Request[]): { errors: RtnetlinkError[]; others: Buffer[] } {
    const first = this.#sequence - requests.length + 1;
    const errors: RtnetlinkError[] = [];
    const others: Buffer[] = [];
    for (let open = requests.length; open > 0; ) {
      const bytes = this.#answer.subarray(0, receive(this.#socket, this.#answer));
      for (let at = 0; at < bytes.length; ) {
        const message = bytes.subarray(at, at + bytes.readUInt32LE(at + LENGTH));
        at += aligned(message.length);
        const request = requests[message.readUInt32LE(SEQUENCE) - first];
        if (message.readUInt16LE(TYPE) !== NLMSG_ERROR) others.push(Buffer.from(message));
        else if (request !== undefined) {
          open--;
          const errno = -message.readInt32LE(ERROR);
          if (errno !== 0) errors.push(new RtnetlinkError(request.what, errnoName(errno), saidIn(message)));
        }
      }
    }
    return { errors, others };
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

const aligned = (length: number) => Math.ceil(length / 4) * 4;

function chunks<T>(items: readonly T[]): T[][] {
  return Array.from({ length: Math.ceil(items.length / MAX_TOGETHER) }, (_, index) => items.slice(index * MAX_TOGETHER, (index + 1) * MAX_TOGETHER));
}
