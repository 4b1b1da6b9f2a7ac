/**
 * The volumes of this node: each image is a file with an ext4, mounted while an instance of this node uses it. What must
 * be here comes with the desired state; what is not named is left alone, and only `gone` removes bytes.
 */
import { mkdir, readdir, rm, statfs } from "node:fs/promises";
import { join } from "node:path";
import type { DesiredMount, DesiredVolume, VolumesReport } from "../core/contract/node-volumes.ts";
import { thaw, VISIBLE } from "../core/host/commands/ext4.ts";
import { mountPoints } from "../core/host/mounts.ts";
import { runUnchecked } from "../core/host/spawn.ts";
import type { Log } from "../core/log.ts";
import type { Bind } from "../core/sandbox/spec.ts";
import { growImage, makeImage, mountImage, sizeOf, unmountImage } from "./image-file.ts";
import { NotReady } from "./not-ready.ts";
import { copyImage, fetchImage, packCopy, uploadSnapshot, type Packed } from "./snapshots.ts";

const RETRY_EVERY_MS = 5000;
const MEASURE_EVERY_MS = 30_000;
/** Bytes are in the host's cache and on the network for a while; what takes longer is tried again from the start. */
const UPLOAD_TRIES = 5;

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
  state: VolumesReport["images"][number]["state"];
  sizeBytes?: number;
  usedBytes?: number;
  problem?: string;
  taking?: Taking;
}

interface Taking {
  id: string;
  aborted: AbortController;
  /** Why it cannot be taken. */
  problem?: string;
}

const keyOf = ({ id, version }: ImageName) => `${id}/${version}`;

export class Volumes {
  readonly #options: VolumesOptions;
  readonly #images = new Map<string, Image>();
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
    this.#timers = [setInterval(() => this.look(), RETRY_EVERY_MS), setInterval(() => void this.#measure(), MEASURE_EVERY_MS)];
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
      this.#images.delete(key);
    }
    for (const one of desired) {
      const image = this.#images.get(keyOf(one));
      if (image === undefined) this.#images.set(keyOf(one), { desired: one, busy: Promise.resolve(), state: "making" });
      else image.desired = one;
    }
    this.look();
  }

  /** Brings every image closer to what is wanted of it; an instance that ended may have been in the way. */
  look(): void {
    for (const image of this.#images.values()) {
      void this.#alone(image, () => this.#bring(image));
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
  async mount(mounts: readonly DesiredMount[]): Promise<Bind[]> {
    const binds: Bind[] = [];
    for (const { volume, image: name, path, readOnly } of mounts) {
      const image = name === null ? undefined : this.#images.get(keyOf(name));
      if (name === null || image === undefined || image.desired.want === "gone") throw new NotReady({ code: "volume_failed", detail: `The volume «${volume}» is not on this node.` });
      const target = this.#pathOf(name);
      if (!(await mountPoints()).has(target)) {
        await this.#alone(image, async () => {
          await this.#bring(image);
          if (image.state === "whole") await mountImage(`${target}.img`, target, true).catch((error: unknown) => (image.problem = textOf(error)));
        });
        if (image.state !== "whole" || image.problem !== undefined) {
          throw new NotReady({ code: "volume_failed", detail: `The volume «${volume}» cannot be mounted: ${image.problem ?? "its node does not have it any more"}.` });
        }
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
    const before = JSON.stringify([image.state, image.sizeBytes, image.problem]);
    try {
      await (image.desired.want === "gone" ? this.#remove(image) : this.#keep(image));
      delete image.problem;
    } catch (error) {
      image.problem = textOf(error);
      this.#options.log.warn({ volume: keyOf(image.desired), err: error }, "a volume is not as it should be");
    }
    if (JSON.stringify([image.state, image.sizeBytes, image.problem]) !== before) this.#options.onChange();
  }

  async #remove(image: Image): Promise<void> {
    const target = this.#pathOf(image.desired);
    // Whoever still writes to it ends first.
    if (this.#options.isUsed(image.desired) || !(await unmountImage(target))) return;
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
      if (desired.source === undefined) await makeImage(path, { ...desired, isKept: true });
      else await fetchImage(desired, path, AbortSignal.timeout(6 * 3_600_000));
      image.sizeBytes = await sizeOf(path);
    }
    image.state = "whole";
    const isMounted = (await mountPoints()).has(target);
    if (isMounted && !this.#options.isUsed(desired) && (await unmountImage(target))) return this.#grow(image, path, false);
    await this.#grow(image, path, isMounted);
  }

  async #grow(image: Image, path: string, isMounted: boolean): Promise<void> {
    const { sizeBytes } = image.desired;
    if ((image.sizeBytes ?? 0) >= sizeBytes || (isMounted && image.usedBytes === -1)) return;
    if (await growImage(path, sizeBytes, isMounted)) image.sizeBytes = await sizeOf(path);
  }

  #takeOrDrop(image: Image): void {
    const { snapshot } = image.desired;
    if (image.taking !== undefined && image.taking.id !== snapshot?.id) {
      image.taking.aborted.abort();
      delete image.taking;
    }
    if (snapshot === undefined || image.taking !== undefined) return;
    const taking: Taking = { id: snapshot.id, aborted: new AbortController() };
    image.taking = taking;
    this.#take(image, taking).catch((error: unknown) => {
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
        await copyImage(`${target}.img`, copy, (await mountPoints()).has(target) ? target : undefined, signal);
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
        await new Promise((resolve) => setTimeout(resolve, 1000 * 2 ** tries));
      }
    }
  }

  async #measure(): Promise<void> {
    const mounted = await mountPoints();
    for (const image of this.#images.values()) {
      const target = this.#pathOf(image.desired);
      const found = mounted.has(target) ? await statfs(target).catch(() => undefined) : undefined;
      if (found !== undefined) image.usedBytes = (found.blocks - found.bfree) * found.bsize;
    }
  }
}

function isLeftover(name: string): boolean {
  return /\.(new|copy|zst)$|\.tree-[^/]*$/.test(name);
}

async function removeIfEmpty(dir: string): Promise<void> {
  if ((await readdir(dir).catch(() => [""])).length === 0) await rm(dir, { recursive: true, force: true });
}

function textOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return /No space left on device/i.test(text) ? "the node has no room for it" : text.slice(-500);
}
