/** Messages of DNS: answers of our own, and what may be passed on. Pure. */
import { decode, encode, type Answer, type DecodedPacket } from "dns-packet";
import type { Verdict } from "./names.ts";

/** So soon may an instance be gone, or woken. */
const TTL_SECONDS = 5;
const NEGATIVE_TTL_SECONDS = 1;
/** Fits into any answer. */
const MAX_ADDRESSES = 16;
/** Without a larger wish, and what is sent at most. */
const PLAIN_BYTES = 512;
const MOST_BYTES = 1232;
export const MAX_QUERY_BYTES = 4096;
const HEADER_BYTES = 12;

export const RCODES = { NOERROR: 0, FORMERR: 1, SERVFAIL: 2, NXDOMAIN: 3, NOTIMP: 4, REFUSED: 5 } as const;
const [AUTHORITATIVE, TRUNCATED, RECURSION_DESIRED, RECURSION_AVAILABLE] = [0x0400, 0x0200, 0x0100, 0x0080];

export interface Query {
  packet: DecodedPacket;
  question: { name: string; type: string; class: string | undefined };
  bytes: Buffer;
  /** What fits into an answer over UDP. */
  room: number;
}

/** Undefined for what is no question with one thing to ask. */
export function readQuery(bytes: Buffer): Query | undefined {
  if (bytes.length > MAX_QUERY_BYTES) return undefined;
  try {
    const packet = decode(bytes);
    const [question, ...more] = packet.questions ?? [];
    if (packet.type !== "query" || question === undefined || more.length > 0 || ((packet.flags ?? 0) & 0x7800) !== 0) return undefined;
    const wish = (packet.additionals ?? []).find((record) => record.type === "OPT");
    const room = wish && "udpPayloadSize" in wish ? Math.min(MOST_BYTES, Math.max(PLAIN_BYTES, wish.udpPayloadSize)) : PLAIN_BYTES;
    return { packet, question: { name: question.name, type: question.type, class: question.class }, bytes, room };
  } catch {
    return undefined;
  }
}

/** `random`: 0 to 1, decides in what order addresses come, so that not all go to the first. */
export function answerTo(query: Query, verdict: Verdict["kind"], addresses: readonly string[], random: () => number): Buffer {
  const rcode = verdict === "missing" ? RCODES.NXDOMAIN : verdict === "refused" ? RCODES.REFUSED : verdict === "addresses" || verdict === "empty" ? RCODES.NOERROR : RCODES.SERVFAIL;
  const { packet, question } = query;
  const chosen = addresses.map((address) => ({ address, at: random() })).toSorted((a, b) => a.at - b.at).slice(0, MAX_ADDRESSES);
  const hasEdns = (packet.additionals ?? []).some((record) => record.type === "OPT");
  return encode({
    type: "response",
    id: packet.id ?? 0,
    flags: AUTHORITATIVE | RECURSION_AVAILABLE | ((packet.flags ?? 0) & RECURSION_DESIRED) | rcode,
    questions: packet.questions ?? [],
    answers: chosen.map(({ address }): Answer => ({ type: "A", name: question.name, ttl: TTL_SECONDS, data: address })),
    authorities: verdict === "missing" || verdict === "empty" ? [startOfAuthority()] : [],
    additionals: hasEdns ? [{ type: "OPT", name: ".", udpPayloadSize: MOST_BYTES, extendedRcode: 0, ednsVersion: 0, flags: 0, flag_do: false, options: [] }] : [],
  });
}

/** Says how long nobody needs to ask again. */
function startOfAuthority(): Answer {
  return { type: "SOA", name: "internal", ttl: NEGATIVE_TTL_SECONDS, data: { mname: "internal", rname: "nobody.internal", serial: 1, refresh: 1, retry: 1, expire: 1, minimum: NEGATIVE_TTL_SECONDS } };
}

/** The same answer as it may go over UDP: what is too long is asked for again over TCP. */
export function fitted(query: Query, answer: Buffer): Buffer {
  if (answer.length <= query.room) return answer;
  const { packet } = query;
  return encode({ type: "response", id: packet.id ?? 0, flags: answer.readUInt16BE(2) & 0x7fff | TRUNCATED, questions: packet.questions ?? [] });
}

/** The question's bytes, behind the header. */
function questionBytes(message: Buffer): Buffer | undefined {
  for (let at = HEADER_BYTES; at < message.length; ) {
    const length = message[at] ?? 0;
    if (length >= 0xc0) return undefined;
    if (length === 0) return message.subarray(HEADER_BYTES, at + 5);
    at += length + 1;
  }
  return undefined;
}

/** Whether this answers what was asked, under the id that it was asked with. */
export function isAnswerTo(asked: Buffer, answer: Buffer): boolean {
  if (answer.length < HEADER_BYTES || answer.readUInt16BE(0) !== asked.readUInt16BE(0) || ((answer[2] ?? 0) & 0x80) === 0) return false;
  const [mine, theirs] = [questionBytes(asked), questionBytes(answer)];
  return mine !== undefined && theirs !== undefined && mine.toString("latin1").toLowerCase() === theirs.toString("latin1").toLowerCase();
}

export function withId(message: Buffer, id: number): Buffer {
  const copy = Buffer.from(message);
  copy.writeUInt16BE(id, 0);
  return copy;
}
