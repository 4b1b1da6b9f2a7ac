/**
 * The volumes of this node: each image is a file with an ext4, mounted while an instance of this node uses it. What must
 * be here comes with the desired state; what is not named is left alone, and only `gone` removes bytes.
 */
import { statfsSync } from "node:fs";
import { mkdir, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import pLimit from "p-limit";
import type { DesiredMount, DesiredVolume, VolumesReport } from "../core/contract/node-volumes.ts";
import { thaw, VISIBLE } from "../core/host/commands/ext4.ts";
import type { IoLimits } from "../core/host/io-limits.ts";
import { isMountPoint, mountPoints } from "../core/host/mounts.ts";
import { CommandError, runUnchecked } from "../core/host/spawn.ts";
import type { Log } from "../core/log.ts";
import type { Bind } from "../core/sandbox/spec.ts";
import { growImage, makeImage, mountImage, sizeOf, unmountImage } from "./image-file.ts";
import { NotReady } from "./not-ready.ts";
import { copyImage, fetchImage, packCopy, uploadSnapshot, type Packed } from "./snapshots.ts";

const FETCH_TIMEOUT_MS = 6 * 3_600_000;
const RETRY_EVERY_MS = 5000;
const MEASURE_EVERY_MS = 30_000;
/** Some minutes without the API or its store. */
const UPLOAD_TRIES = 12;
const UPLOAD_PAUSE_MAX_MS = 30_000;

export interface VolumesOptions {
  dir: string;
  api: { apiUrl: string; token: string };
  /** Whether an instance of this node mounts the image, or may. */
  isUsed: (image: ImageName) => boolean;
  onChange: () => void;
  log: Log;
}

export interface ImageName {
  id: string;
  version: number;
}

interface Image {
  desired: DesiredVolume;
  /** One thing at a time. */
  busy: Promise<unknown>;
  /** A look at it waits for its turn. */
  isDue: boolean;
  /** It is mounted, and will not be in a moment. */
  isLeaving: boolean;
  state: VolumesReport["images"][number]["state"];
  sizeBytes: number | undefined;
  usedBytes: number | undefined;
  problem: string | undefined;
  /** The kernel does not let a mounted file system grow. */
  growsLater: boolean;
  /** It is wanted no more: what is being fetched for it ends. */
  unwanted: AbortController;
  taking: Taking | undefined;
}

interface Taking {
  id: string;
  aborted: AbortController;
  /** Why it cannot be taken. */
  problem: string | undefined;
}

const keyOf = ({ id, version }: ImageName) => `${id}/${version}`;

export class Volumes {
  readonly #options: VolumesOptions;
  readonly #images = new Map<string, Image>();
  /** Snapshots of running apps: the host's disk is there for all. */
  readonly #copies = pLimit(1);
  #timers: NodeJS.Timeout[] = [];

  constructor(options: VolumesOptions) {
    this.#options = options;
  }

  /** After a former agent: nothing stays frozen, nothing half-made stays. */
  async open(): Promise<void> {
    const { dir } = this.#options;
    await mkdir(dir, { recursive: true, mode: 0o711 });
    for (const target of await mountPoints()) if (target.startsWith(`${dir}/`)) await runUnchecked(thaw(target));
    for (const id of await readdir(dir)) {
      for (const name of await readdir(join(dir, id))) if (isLeftover(name)) await rm(join(dir, id, name), { recursive: true, force: true });
    }
    this.#timers = [setInterval(() => this.look(), RETRY_EVERY_MS), setInterval(() => this.#images.forEach((image) => this.#measure(image)), MEASURE_EVERY_MS)];
  }

  close(): void {
    for (const timer of this.#timers) clearInterval(timer);
  }

  /** What must be here from now on. */
  want(desired: readonly DesiredVolume[]): void {
    const named = new Set(desired.map(keyOf));
    for (const [key, image] of this.#images) {
      if (named.has(key)) continue;
      image.taking?.aborted.abort();
      image.unwanted.abort();
      this.#images.delete(key);
    }
    for (const one of desired) {
      const image = this.#images.get(keyOf(one));
      if (image === undefined) this.#images.set(keyOf(one), newImage(one));
      else image.desired = one;
      if (one.want === "gone") image?.unwanted.abort();
    }
    this.look();
  }

  /** Brings every image closer to what is wanted of it; an instance that ended may have been in the way. */
  look(): void {
    for (const image of this.#images.values()) {
      if (!image.isDue) void this.#alone(image, () => this.#bring(image));
      image.isDue = true;
      this.#takeOrDrop(image);
    }
  }

  /** Undefined: there are none, and never were. */
  report(): VolumesReport | undefined {
    if (this.#images.size === 0) return undefined;
    const images = [...this.#images.values()];
    return {
      images: images.map(({ desired: { id, version }, state, sizeBytes, usedBytes, problem }) => ({
        id, version, state,
        ...(sizeBytes === undefined ? {} : { sizeBytes }),
        ...(usedBytes === undefined ? {} : { usedBytes }),
        ...(problem === undefined ? {} : { problem }),
      })),
      failedSnapshots: images.flatMap(({ taking }) => (taking?.problem === undefined ? [] : [{ id: taking.id as VolumesReport["failedSnapshots"][number]["id"], problem: taking.problem }])),
    };
  }

  /** What a container of this node binds, mounted from now on until no instance uses it. @throws NotReady */
  async mount(mounts: readonly DesiredMount[], limits: IoLimits): Promise<Bind[]> {
    const binds: Bind[] = [];
    for (const { volume, image: name, path, readOnly } of mounts) {
      const image = name === null ? undefined : this.#images.get(keyOf(name));
      if (name === null || image === undefined || image.desired.want === "gone") throw new NotReady({ code: "volume_failed", detail: `The volume «${volume}» is not on this node.` });
      const target = this.#pathOf(name);
      // An instance that comes at once after the last one was gone would be given what is being taken away.
      if (image.isLeaving || !isMountPoint(target)) {
        const refuse = (why: string) => new NotReady({ code: "volume_failed", detail: `The volume «${volume}» cannot be mounted: ${why}.` });
        await this.#alone(image, async () => {
          await this.#bring(image);
          if (image.state !== "whole") throw refuse(image.problem ?? "its node does not have it any more");
          await mountImage(`${target}.img`, target, limits).catch((error: unknown) => Promise.reject(refuse(textOf(error))));
        });
      }
      binds.push({ source: join(target, VISIBLE), destination: path, readOnly });
    }
    return binds;
  }

  #pathOf({ id, version }: ImageName): string {
    return join(this.#options.dir, id, String(version));
  }

  #alone<T>(image: Image, work: () => Promise<T>): Promise<T> {
    const done = image.busy.then(work);
    image.busy = done.catch(() => {});
    return done;
  }

  async #bring(image: Image): Promise<void> {
    image.isDue = false;
    const before = JSON.stringify([image.state, image.sizeBytes, image.problem]);
    try {
      await (image.desired.want === "gone" ? this.#remove(image) : this.#keep(image));
      image.problem = undefined;
    } catch (error) {
      image.problem = textOf(error);
      this.#options.log.warn({ volume: keyOf(image.desired), err: error }, "a volume is not as it should be");
    }
    if (JSON.stringify([image.state, image.sizeBytes, image.problem]) !== before) this.#options.onChange();
  }

  async #remove(image: Image): Promise<void> {
    const target = this.#pathOf(image.desired);
    // Whoever still writes to it ends first.
    if (this.#options.isUsed(image.desired) || !(await this.#unmount(image))) return;
    await rm(target, { recursive: true, force: true });
    await rm(`${target}.img`, { force: true });
    await removeIfEmpty(join(this.#options.dir, image.desired.id));
    image.state = "missing";
  }

  async #keep(image: Image): Promise<void> {
    const { desired } = image;
    const target = this.#pathOf(desired);
    const path = `${target}.img`;
    image.sizeBytes = await sizeOf(path);
    if (image.sizeBytes === undefined) {
      image.state = desired.want === "make" ? "making" : "missing";
      if (desired.want !== "make") return;
      await mkdir(join(this.#options.dir, desired.id), { recursive: true, mode: 0o711 });
      if (desired.source === undefined) await makeImage(path, desired);
      else await fetchImage(desired, path, AbortSignal.any([image.unwanted.signal, AbortSignal.timeout(FETCH_TIMEOUT_MS)]));
      image.sizeBytes = await sizeOf(path);
    }
    image.state = "whole";
    // Each change is written down by the API: now and then is enough.
    if (image.usedBytes === undefined || !this.#options.isUsed(desired)) this.#measure(image);
    const isMounted = isMountPoint(target) && (this.#options.isUsed(desired) || !(await this.#unmount(image)));
    if (!isMounted) image.growsLater = false;
    if (image.sizeBytes === undefined || image.sizeBytes >= desired.sizeBytes || image.growsLater) return;
    image.growsLater = !(await growImage(path, desired.sizeBytes, isMounted));
    if (!image.growsLater) image.sizeBytes = await sizeOf(path);
  }

  /** False: something still uses it. */
  async #unmount(image: Image): Promise<boolean> {
    const target = this.#pathOf(image.desired);
    image.isLeaving = true;
    return unmountImage(`${target}.img`, target).finally(() => (image.isLeaving = false));
  }

  #takeOrDrop(image: Image): void {
    const { snapshot } = image.desired;
    if (image.taking !== undefined && image.taking.id !== snapshot?.id) {
      image.taking.aborted.abort();
      image.taking = undefined;
    }
    if (snapshot === undefined || image.taking !== undefined) return;
    const taking: Taking = { id: snapshot.id, aborted: new AbortController(), problem: undefined };
    image.taking = taking;
    const take = () => this.#take(image, taking);
    // An app that is stopped for it goes first.
    (snapshot.isStopped ? take() : this.#copies(take)).catch((error: unknown) => {
      if (taking.aborted.signal.aborted) return;
      taking.problem = textOf(error);
      this.#options.log.warn({ snapshot: taking.id, err: error }, "a snapshot was not taken");
      this.#options.onChange();
    });
  }

  async #take(image: Image, { id, aborted: { signal } }: Taking): Promise<void> {
    const target = this.#pathOf(image.desired);
    const copy = `${target}.${id}.copy`;
    const packed = `${target}.${id}.zst`;
    try {
      await this.#alone(image, async () => {
        signal.throwIfAborted();
        if ((await sizeOf(`${target}.img`)) === undefined) throw new Error("its node does not have the volume any more");
        await copyImage(`${target}.img`, copy, isMountPoint(target) ? target : undefined, signal);
      });
      await this.#upload(id, await packCopy(copy, packed, signal), signal);
    } finally {
      for (const file of [copy, `${packed}.new`, packed]) await rm(file, { force: true });
    }
  }

  async #upload(id: string, packed: Packed, signal: AbortSignal): Promise<void> {
    for (let tries = 1; ; tries++) {
      try {
        return void (await uploadSnapshot(this.#options.api, id, packed, signal));
      } catch (error) {
        if (signal.aborted || tries === UPLOAD_TRIES) throw error;
        this.#options.log.warn({ snapshot: id, err: error }, "a snapshot was not stored, it is tried again");
        await new Promise((resolve) => setTimeout(resolve, Math.min(UPLOAD_PAUSE_MAX_MS, 1000 * 2 ** tries)));
      }
    }
  }

  #measure(image: Image): void {
    const target = this.#pathOf(image.desired);
    if (!isMountPoint(target)) return;
    const { blocks, bfree, bsize } = statfsSync(target);
    image.usedBytes = (blocks - bfree) * bsize;
  }
}

function newImage(desired: DesiredVolume): Image {
  return { desired, busy: Promise.resolve(), isDue: false, isLeaving: false, state: "making", sizeBytes: undefined, usedBytes: undefined, problem: undefined, growsLater: false, unwanted: new AbortController(), taking: undefined };
}

function isLeftover(name: string): boolean {
  return /\.(new|copy|zst)$|\.tree-[^/]*$/.test(name);
}

async function removeIfEmpty(dir: string): Promise<void> {
  if ((await readdir(dir).catch(() => [""])).length === 0) await rm(dir, { recursive: true, force: true });
}

/** For the volume's owner: where things are on the host stands in the log alone. */
function textOf(error: unknown): string {
  if (error instanceof CommandError) return `«${error.argv[0]}» failed on the node`;
  const { code } = error as { code?: unknown };
  if (typeof code === "string") return `the node's disk failed (${code})`;
  return (error instanceof Error ? error.message : String(error)).slice(0, 500);
}
