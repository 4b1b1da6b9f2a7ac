/**
 * Reads a build context as it streams by: what format it is, whether it is whole and stays within itself, what it
 * holds (as one digest), and its Dockerfile. Memory: one digest an entry, and the Dockerfile.
 */
import { once } from "node:events";
import { createHash, type Hash } from "node:crypto";
import { constants, createGunzip, createZstdDecompress } from "node:zlib";
import type { Transform } from "node:stream";
import { AppError } from "../../core/contract/errors.ts";
import { ContextLinks, readEntryName } from "../../core/domain/context-paths.ts";
import { beginsTar, TarError, TarScanner, type TarEntry } from "./tar-scanner.ts";

export type ContextFormat = "tar" | "tar.gz" | "tar.zst" | "dockerfile";

export interface ContextLimits {
  maxEntries: number;
  /** Unpacked bytes that any context may have. */
  maxExpandedBytes: number;
  /** Beyond `freeExpandedBytes`, so many times the bytes that were sent. */
  maxRatio: number;
  freeExpandedBytes: number;
}

export const CONTEXT_LIMITS: ContextLimits = {
  maxEntries: 250_000,
  maxExpandedBytes: 16 * 2 ** 30,
  maxRatio: 100,
  freeExpandedBytes: 2 ** 30,
};
export const DOCKERFILE_MAX_BYTES = 2 ** 20;
/** All files that may be the Dockerfile, together: its name may come after the context. */
const CANDIDATES_MAX_BYTES = 4 * 2 ** 20;
const CANDIDATE = /(^|\/|\.)(dockerfile|containerfile)(\.[^/]*)?$/i;
const HEAD_BYTES = 512;
/** 16 MiB, more than `zstd -19` takes: the sender decides how much memory unpacking takes, and uploads come side by side. */
const ZSTD_WINDOW_LOG_MAX = 24;

export interface ContextFindings {
  format: ContextFormat;
  /** Of paths, kinds, modes, links and contents; not of times and owners. `sha256:…`. */
  rootDigest: string;
  entries: number;
  expandedBytes: number;
  /** The file at the path. @throws AppError dockerfile_missing, dockerfile_invalid, context_escapes */
  dockerfile(path: string): { path: string; text: string };
}

export class ContextInspector {
  readonly #limits: ContextLimits;
  readonly #isDockerfile: boolean;
  readonly #scanner = new TarScanner({
    entry: (entry) => this.#entry(entry),
    data: (bytes) => this.#data(bytes),
    entryEnd: () => this.#entryEnd(),
  });
  readonly #links = new ContextLinks();
  readonly #leaves = new Map<string, Buffer>();
  readonly #candidates = new Map<string, Buffer>();
  readonly #top = new Set<string>();
  #tooLarge = new Set<string>();
  #candidateBytes = 0;
  #head: Buffer | undefined = Buffer.alloc(0);
  #format: ContextFormat = "tar";
  #unpack: Transform | undefined;
  #error: Error | undefined;
  #sentBytes = 0;
  #expandedBytes = 0;
  #current: { path: string; entry: TarEntry; hash: Hash; kept: Buffer[] | undefined } | undefined;
  #plain: Buffer[] = [];

  /** `isDockerfile`: the sender says that it is a bare Dockerfile; believed unless the bytes say otherwise. */
  constructor(options: { isDockerfile: boolean; limits?: ContextLimits }) {
    this.#isDockerfile = options.isDockerfile;
    this.#limits = options.limits ?? CONTEXT_LIMITS;
  }

  /** Takes the next bytes; resolves when more may come. @throws AppError */
  async write(chunk: Buffer): Promise<void> {
    this.#sentBytes += chunk.length;
    if (this.#head === undefined) return this.#feed(chunk);
    const head = Buffer.concat([this.#head, chunk]);
    this.#head = head;
    if (head.length >= HEAD_BYTES) await this.#start(head);
  }

  /** Says that no byte follows. @throws AppError */
  async end(): Promise<ContextFindings> {
    if (this.#head !== undefined) await this.#start(this.#head);
    if (this.#unpack) {
      this.#unpack.end();
      if (!this.#unpack.readableEnded && !this.#error) await once(this.#unpack, "end").catch(() => {});
    }
    if (this.#error) throw this.#error;
    if (this.#format !== "dockerfile") this.#guard(() => this.#scanner.end());
    if (this.#error) throw this.#error;
    return {
      format: this.#format,
      rootDigest: this.#rootDigest(),
      entries: this.#leaves.size,
      expandedBytes: this.#expandedBytes,
      dockerfile: (path) => (this.#format === "dockerfile" ? { path: "Dockerfile", text: Buffer.concat(this.#plain).toString("utf8") } : this.#dockerfile(path)),
    };
  }

  /** Lets go of what it holds when the upload has failed elsewhere. */
  destroy(): void {
    this.#unpack?.destroy();
  }

  async #start(head: Buffer): Promise<void> {
    this.#head = undefined;
    this.#format = this.#detect(head);
    if (this.#format === "tar.gz") this.#unpackWith(createGunzip());
    else if (this.#format === "tar.zst") this.#unpackWith(createZstdDecompress({ params: { [constants.ZSTD_d_windowLogMax]: ZSTD_WINDOW_LOG_MAX } }));
    await this.#feed(head);
  }

  #detect(head: Buffer): ContextFormat {
    if (head.length === 0) throw new AppError("context_not_tar", "The body is empty: send a tar archive of the build context.");
    if (head[0] === 0x1f && head[1] === 0x8b) return "tar.gz";
    if (head.length >= 4 && head.readUInt32LE(0) === 0xfd2fb528) return "tar.zst";
    if (beginsTar(head)) return "tar";
    if (this.#isDockerfile) return "dockerfile";
    // The beginning of a tar's first header, and no more.
    if (head.length < HEAD_BYTES && head.includes(0)) throw new AppError("context_truncated", "The tar archive ends in the middle of its first header.");
    throw new AppError("context_not_tar", `It is ${guess(head)}: send a tar archive, as it is or packed with gzip or zstd.`);
  }

  #unpackWith(unpack: Transform): void {
    this.#unpack = unpack;
    unpack.on("data", (bytes: Buffer) => this.#expand(bytes));
    unpack.on("error", (error: NodeJS.ErrnoException) => (this.#error ??= unpackError(error)));
  }

  async #feed(chunk: Buffer): Promise<void> {
    if (this.#unpack === undefined) this.#expand(chunk);
    else if (!this.#error && !this.#unpack.write(chunk)) await once(this.#unpack, "drain").catch(() => {});
    if (this.#error) throw this.#error;
  }

  #expand(bytes: Buffer): void {
    if (this.#error) return;
    this.#guard(() => {
      this.#expandedBytes += bytes.length;
      const { maxExpandedBytes, maxRatio, freeExpandedBytes } = this.#limits;
      const allowed = Math.min(maxExpandedBytes, Math.max(freeExpandedBytes, maxRatio * this.#sentBytes));
      if (this.#expandedBytes > allowed) {
        throw new AppError("context_too_large", `Unpacked, the build context has more than ${allowed} bytes (${this.#sentBytes} were sent).`);
      }
      if (this.#format !== "dockerfile") return this.#scanner.write(bytes);
      this.#plain.push(bytes);
      if (this.#expandedBytes > DOCKERFILE_MAX_BYTES) throw new AppError("dockerfile_invalid", `The Dockerfile is larger than ${DOCKERFILE_MAX_BYTES} bytes.`);
    });
  }

  #guard(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.#error = error instanceof TarError ? new AppError(error.kind === "truncated" ? "context_truncated" : "context_not_tar", error.message) : (error as Error);
      this.#unpack?.destroy(this.#error);
    }
  }

  #entry(entry: TarEntry): void {
    const name = readEntryName(entry.name);
    if ("refused" in name) throw escapes(entry.name, name.refused);
    const { path } = name;
    if (path === "" && entry.type !== "directory") throw escapes(entry.name, "would take the place of the context itself");
    if (this.#leaves.size >= this.#limits.maxEntries) throw new AppError("context_too_large", `The build context has more than ${this.#limits.maxEntries} entries.`);
    if (this.#links.resolve(path, false) === undefined) throw escapes(entry.name, "lies below a symlink that leads outside");
    if (entry.type === "device") throw escapes(entry.name, "is a device");
    if (entry.type === "link") {
      const target = readEntryName(entry.linkname);
      if ("refused" in target) throw escapes(entry.name, `is a hardlink whose target ${target.refused} («${entry.linkname}»)`);
      if (this.#links.resolve(target.path, false) === undefined) throw escapes(entry.name, `is a hardlink to «${entry.linkname}», which lies below a symlink that leads outside`);
    }
    if (path !== "") this.#links.set(path, entry.type === "symlink" ? entry.linkname : null);
    if (this.#top.size < 3 && path !== "") this.#top.add(path.includes("/") || entry.type === "directory" ? `${path.split("/", 1)[0]}/` : path);
    const isCandidate = entry.type === "file" && (CANDIDATE.test(path) || path === "Dockerfile" || path === "Containerfile");
    this.#candidates.delete(path);
    if (isCandidate && entry.sizeBytes > DOCKERFILE_MAX_BYTES) this.#tooLarge.add(path);
    const keep = isCandidate && entry.sizeBytes <= DOCKERFILE_MAX_BYTES && this.#candidateBytes + entry.sizeBytes <= CANDIDATES_MAX_BYTES;
    if (keep) this.#candidateBytes += entry.sizeBytes;
    this.#current = { path, entry, hash: createHash("sha256"), kept: keep ? [] : undefined };
  }

  #data(bytes: Buffer): void {
    this.#current?.hash.update(bytes);
    // A copy: a piece may be part of a much larger buffer.
    this.#current?.kept?.push(Buffer.from(bytes));
  }

  #entryEnd(): void {
    const { path, entry, hash, kept } = this.#current ?? {};
    this.#current = undefined;
    if (path === undefined || entry === undefined || hash === undefined) return;
    if (kept) this.#candidates.set(path, Buffer.concat(kept));
    const xattrs = Object.entries(entry.pax).filter(([key]) => key.startsWith("SCHILY.xattr."));
    const link = entry.type === "link" || entry.type === "symlink" ? entry.linkname : "";
    const leaf = JSON.stringify([path, entry.type, entry.mode & 0o7777, link, hash.digest("hex"), xattrs.toSorted()]);
    this.#leaves.set(path, createHash("sha256").update(leaf).digest());
  }

  /** Over the leaves in the order of their paths, whatever order they came in. */
  #rootDigest(): string {
    const root = createHash("sha256");
    if (this.#format === "dockerfile") for (const bytes of this.#plain) root.update(bytes);
    for (const path of [...this.#leaves.keys()].toSorted()) root.update(this.#leaves.get(path) ?? "");
    return `sha256:${root.digest("hex")}`;
  }

  #dockerfile(wanted: string): { path: string; text: string } {
    const name = readEntryName(wanted);
    if ("refused" in name) throw new AppError("context_escapes", `The Dockerfile's path «${wanted}» ${name.refused}.`);
    const fallback = name.path === "Dockerfile" && !this.#leaves.has("Dockerfile") && this.#leaves.has("Containerfile");
    const path = fallback ? "Containerfile" : name.path;
    const real = this.#links.resolve(path, true);
    if (real === undefined) throw new AppError("context_escapes", `«${path}» is a symlink that leads outside the build context.`);
    const text = this.#candidates.get(real);
    if (text !== undefined) return { path, text: text.toString("utf8") };
    if (this.#tooLarge.has(real)) throw new AppError("dockerfile_invalid", `«${path}» is larger than ${DOCKERFILE_MAX_BYTES} bytes.`);
    if (this.#leaves.has(real)) {
      throw new AppError("dockerfile_missing", `«${path}» cannot be the Dockerfile: it must be a file whose name has «Dockerfile» or «Containerfile» in it.`);
    }
    throw new AppError("dockerfile_missing", `The build context has no «${path}». ${this.#hint()}`);
  }

  #hint(): string {
    const others = [...this.#candidates.keys()].slice(0, 5);
    if (others.length > 0) return `It has ${others.map((path) => `«${path}»`).join(", ")}: name it with the option «dockerfile».`;
    const [only] = this.#top;
    if (this.#top.size === 1 && only?.endsWith("/")) return `All of it lies in «${only}»: pack the inside of that directory.`;
    return this.#top.size === 0 ? "It is empty." : "Put one at its top, or name another with the option «dockerfile».";
  }
}

function escapes(name: string, why: string): AppError {
  return new AppError("context_escapes", `The entry «${printable(name)}» ${why}.`);
}

/** A name from an archive, with nothing in it that a terminal would act on. */
function printable(name: string): string {
  return name.slice(0, 200).replace(/[^\P{C}]/gu, "\ufffd");
}

function unpackError(error: NodeJS.ErrnoException): Error {
  if (error instanceof AppError) return error;
  if (error.code === "Z_BUF_ERROR") return new AppError("context_truncated", "The packed data ends before its end mark.", { cause: error });
  if (error.code === "ZSTD_error_frameParameter_windowTooLarge") {
    return new AppError("context_not_tar", "It is packed with a zstd window of more than 16 MiB: pack it without --ultra and --long.", { cause: error });
  }
  return new AppError("context_not_tar", `The packed data is damaged: ${error.message}.`, { cause: error });
}

function guess(head: Buffer): string {
  const magic: [Buffer, string][] = [
    [Buffer.from("PK\x03\x04", "latin1"), "a zip archive"],
    [Buffer.from("BZh", "latin1"), "packed with bzip2"],
    [Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a]), "packed with xz"],
  ];
  const known = magic.find(([bytes]) => head.subarray(0, bytes.length).equals(bytes));
  if (known) return known[1];
  return head.subarray(0, 256).every((byte) => byte >= 9 && byte !== 127) ? "text (a bare Dockerfile has the content type text/x-dockerfile)" : "no tar archive";
}
