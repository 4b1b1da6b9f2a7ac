/**
 * Finds the entries in the bytes of a tar as they come, with memory for one header. Headers are read by
 * node-tar; the framing is here because the readers of tar-stream and node-tar go on after the end of the archive, and
 * end without a word where one is cut between two entries: GNU tar, which unpacks the context, would see other files.
 */
import { Header } from "tar";

const BLOCK = 512;
/** Of a pax header or a long name. */
const MAX_META_BYTES = 64 * 1024;

export class TarError extends Error {
  readonly kind: "not-tar" | "truncated";

  constructor(kind: "not-tar" | "truncated", detail: string) {
    super(detail);
    this.name = "TarError";
    this.kind = kind;
  }
}

export type EntryType = "file" | "link" | "symlink" | "device" | "directory" | "fifo";

export interface TarEntry {
  name: string;
  type: EntryType;
  mode: number;
  sizeBytes: number;
  linkname: string;
  pax: Readonly<Record<string, string>>;
}

export interface TarHandler {
  entry(entry: TarEntry): void;
  /** Contents of the last entry, in pieces. */
  data(bytes: Buffer): void;
  entryEnd(): void;
}

const TYPES: Record<string, EntryType> = {
  File: "file",
  OldFile: "file",
  ContiguousFile: "file",
  Link: "link",
  SymbolicLink: "symlink",
  CharacterDevice: "device",
  BlockDevice: "device",
  Directory: "directory",
  FIFO: "fifo",
};
/** Entries that tell something of the next one. */
const META = new Set(["ExtendedHeader", "GlobalExtendedHeader", "NextFileHasLongPath", "NextFileHasLongLinkpath"]);

/** Octal, or binary after a set bit, as GNU tar takes it: node-tar takes «0x10» for 0. */
const SIZE = /^(\0| *[0-7]+([ \0]|$)|\x80)/;
/** node-tar says 0 for every directory, whatever is there. */
const NO_SIZE = /^[0 ]*(\0|$)/;

export class TarScanner {
  readonly #handler: TarHandler;
  #block = Buffer.alloc(BLOCK);
  #blockFill = 0;
  /** Bytes of the entry's contents, then of its padding, that are still to come. */
  #dataLeft = 0;
  #paddingLeft = 0;
  #inEntry = false;
  #meta: { type: string; chunks: Buffer[] } | undefined;
  #zeroBlocks = 0;
  #pax: Record<string, string> = {};
  #paxGlobal: Record<string, string> = {};
  #longName: string | undefined;
  #longLink: string | undefined;

  constructor(handler: TarHandler) {
    this.#handler = handler;
  }

  /** @throws TarError, and what the handler throws */
  write(chunk: Buffer): void {
    let at = 0;
    // After the end comes padding, which says nothing.
    while (at < chunk.length && this.#zeroBlocks < 2) {
      if (this.#dataLeft > 0) {
        const piece = chunk.subarray(at, at + this.#dataLeft);
        at += piece.length;
        this.#dataLeft -= piece.length;
        if (this.#meta) this.#meta.chunks.push(Buffer.from(piece));
        else this.#handler.data(piece);
        if (this.#dataLeft === 0) this.#endData();
      } else if (this.#paddingLeft > 0) {
        const skipped = Math.min(this.#paddingLeft, chunk.length - at);
        at += skipped;
        this.#paddingLeft -= skipped;
      } else {
        const taken = chunk.copy(this.#block, this.#blockFill, at, at + BLOCK - this.#blockFill);
        at += taken;
        this.#blockFill += taken;
        if (this.#blockFill === BLOCK) {
          this.#blockFill = 0;
          this.#readBlock();
        }
      }
    }
  }

  /** Says that no byte follows. @throws TarError truncated */
  end(): void {
    if (this.#zeroBlocks >= 1 && this.#blockFill === 0) return;
    const where = this.#inEntry || this.#dataLeft > 0 ? "in the middle of an entry" : "before its end mark";
    throw new TarError("truncated", `The tar archive ends ${where}.`);
  }

  #readBlock(): void {
    const header = readHeader(this.#block);
    if (header?.nullBlock === true) {
      this.#zeroBlocks++;
      return;
    }
    if (header?.cksumValid !== true) throw new TarError("not-tar", "It has a block that is no header of a tar archive.");
    if (!SIZE.test(this.#sizeField)) throw new TarError("not-tar", "The tar archive has a header whose size is no number.");
    this.#zeroBlocks = 0;
    if (META.has(header.type)) {
      const sizeBytes = header.size ?? Infinity;
      if (sizeBytes > MAX_META_BYTES) throw new TarError("not-tar", "The tar archive has a header that is too large.");
      this.#meta = { type: header.type, chunks: [] };
      this.#expect(sizeBytes);
      return;
    }
    const entry = this.#entryOf(header);
    this.#handler.entry(entry);
    this.#inEntry = true;
    this.#expect(entry.type === "file" ? entry.sizeBytes : 0);
  }

  /** The header's own words. */
  get #sizeField(): string {
    return this.#block.toString("latin1", 124, 136);
  }

  #entryOf(header: Header): TarEntry {
    const pax = { ...this.#paxGlobal, ...this.#pax };
    const name = pax["path"] ?? this.#longName ?? header.path ?? "";
    const isSparse = header.type === "SparseFile" || Object.keys(pax).some((key) => key.startsWith("GNU.sparse."));
    if (isSparse) throw new TarError("not-tar", `The entry «${name}» is sparse: make the archive without --sparse.`);
    // Old archives mark a directory by its name alone.
    const type = TYPES[header.type] === "file" && name.endsWith("/") ? "directory" : TYPES[header.type];
    const sizeBytes = pax["size"] === undefined ? (header.size ?? -1) : Number(pax["size"]);
    if (type === undefined) throw new TarError("not-tar", `The entry «${name}» is of a kind that is not known (${header.type}).`);
    if (!Number.isSafeInteger(sizeBytes) || sizeBytes < 0) throw new TarError("not-tar", `The entry «${name}» has no valid size.`);
    // Readers do not agree whether contents follow: some would take them for further entries, or for the archive's end.
    const saysContents = pax["size"] !== undefined || (type !== "link" && !NO_SIZE.test(this.#sizeField));
    if (type !== "file" && saysContents) throw new TarError("not-tar", `The entry «${name}» is no file and says that it has contents.`);
    this.#pax = {};
    const linkname = pax["linkpath"] ?? this.#longLink ?? header.linkpath ?? "";
    this.#longName = undefined;
    this.#longLink = undefined;
    return { name, type, mode: header.mode ?? 0, sizeBytes, linkname, pax };
  }

  #expect(sizeBytes: number): void {
    this.#dataLeft = sizeBytes;
    this.#paddingLeft = (BLOCK - (sizeBytes % BLOCK)) % BLOCK;
    if (sizeBytes === 0) this.#endData();
  }

  #endData(): void {
    const meta = this.#meta;
    if (meta === undefined) {
      this.#inEntry = false;
      this.#handler.entryEnd();
      return;
    }
    this.#meta = undefined;
    const bytes = Buffer.concat(meta.chunks);
    if (meta.type === "ExtendedHeader") this.#pax = decodePax(bytes);
    else if (meta.type === "GlobalExtendedHeader") this.#paxGlobal = { ...this.#paxGlobal, ...decodePax(bytes) };
    else if (meta.type === "NextFileHasLongPath") this.#longName = cString(bytes);
    else this.#longLink = cString(bytes);
  }
}

function cString(bytes: Buffer): string {
  const end = bytes.indexOf(0);
  return bytes.toString("utf8", 0, end === -1 ? bytes.length : end);
}

/** Records of `<length> <key>=<value>\n`, the length counting itself, in bytes. */
function decodePax(bytes: Buffer): Record<string, string> {
  const records: Record<string, string> = {};
  for (let at = 0; at < bytes.length; ) {
    const space = bytes.indexOf(0x20, at);
    const length = Number(bytes.toString("latin1", at, space));
    const record = bytes.toString("utf8", space + 1, at + length - 1);
    const equals = record.indexOf("=");
    const isWhole = space !== -1 && Number.isInteger(length) && length > space - at && at + length <= bytes.length && bytes[at + length - 1] === 0x0a;
    if (!isWhole || equals < 1) throw new TarError("not-tar", "The tar archive has an extended header that cannot be read.");
    records[record.slice(0, equals)] = record.slice(equals + 1);
    at += length;
  }
  return records;
}

/** Whether the bytes can begin a tar archive: a valid header, or the end mark of an empty one. */
export function beginsTar(bytes: Buffer): boolean {
  if (bytes.length < BLOCK) return false;
  const header = readHeader(bytes.subarray(0, BLOCK));
  return header !== undefined && (header.cksumValid || header.nullBlock);
}

/** Undefined for bytes that are no header: the library throws at numbers that it cannot decode. */
function readHeader(block: Buffer): Header | undefined {
  try {
    return new Header(block);
  } catch {
    return undefined;
  }
}
