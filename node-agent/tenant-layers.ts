/**
 * The layers as each tenant's ids see them: one id-mapped bind of the whole store where the kernel can, else a copy of each
 * layer with its ids shifted, made once per tenant and layer. `docs/decisions/one-idmapped-layer-store.md`.
 */
import { chown, mkdir, readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import type { DesiredInstance } from "../core/contract/node-channel.ts";
import type { TenantId } from "../core/contract/ids.ts";
import { LAYER_STORE_UID_BASE } from "../core/domain/id-ranges.ts";
import { mountIdMapped, mountPoints } from "../core/host/mounts.ts";
import { umountSoon } from "../core/host/syscalls.ts";
import type { Log } from "../core/log.ts";
import { layerName } from "./plan.ts";
import type { Unpacker } from "./unpack.ts";

export type LayerSharing = "idmapped" | "copied";

export interface TenantLayersOptions {
  dataDir: string;
  /** Of the store. */
  layersDir: string;
  toolchainBin: string;
  unpacker: Unpacker;
  sharing: LayerSharing;
}

const PARTIAL = ".new";

export class TenantLayers {
  readonly #options: TenantLayersOptions;
  readonly #mounts = new Map<TenantId, Promise<string>>();
  readonly #copies = new Map<string, Promise<void>>();

  constructor(options: TenantLayersOptions) {
    this.#options = options;
  }

  /** The directory where the instance's layers are, by their names in the store. */
  async of({ tenantId, uidBase, layers }: Pick<DesiredInstance, "tenantId" | "uidBase" | "layers">): Promise<string> {
    if (this.#options.sharing === "idmapped") return this.#mount(tenantId, uidBase);
    const dir = join(this.#options.dataDir, "copies", tenantId);
    await mkdir(dir, { recursive: true, mode: 0o711 });
    const names = new Set(["empty", ...layers.map(({ diffId }) => layerName(diffId))]);
    await Promise.all([...names].map((name) => this.#copy(dir, name, uidBase)));
    return dir;
  }

  /** Layers that the store has no more. */
  async forget(names: readonly string[]): Promise<void> {
    if (this.#options.sharing === "idmapped") return;
    const root = join(this.#options.dataDir, "copies");
    for (const tenant of await readdir(root).catch(() => [])) {
      for (const name of names) await rm(join(root, tenant, name), { recursive: true, force: true });
    }
  }

  #mount(tenantId: TenantId, uidBase: number): Promise<string> {
    const known = this.#mounts.get(tenantId);
    if (known) return known;
    const made = (async () => {
      const { dataDir, toolchainBin, layersDir } = this.#options;
      const target = join(dataDir, "tenants", tenantId);
      await mkdir(target, { recursive: true, mode: 0o711 });
      if (!(await mountPoints()).has(target)) await mountIdMapped(toolchainBin, layersDir, target, LAYER_STORE_UID_BASE, uidBase);
      return target;
    })();
    this.#mounts.set(tenantId, made);
    made.catch(() => this.#mounts.delete(tenantId));
    return made;
  }

  #copy(dir: string, name: string, uidBase: number): Promise<void> {
    const target = join(dir, name);
    const copying = this.#copies.get(target) ?? this.#copyOnce(dir, name, uidBase).finally(() => this.#copies.delete(target));
    this.#copies.set(target, copying);
    return copying;
  }

  async #copyOnce(dir: string, name: string, uidBase: number): Promise<void> {
    if ((await readdir(dir)).includes(name)) return;
    const partial = join(dir, `${name}${PARTIAL}`);
    // An agent that was killed may have left it.
    await rm(partial, { recursive: true, force: true });
    await mkdir(partial, { mode: 0o755 });
    await chown(partial, uidBase, uidBase);
    await this.#options.unpacker.copy(join(this.#options.layersDir, name), partial, uidBase);
    await rename(partial, join(dir, name));
  }
}

/** Whether this host can show files with other ids: tried once, with a directory of its own. */
export async function probeLayerSharing(dataDir: string, toolchainBin: string, log: Log): Promise<LayerSharing> {
  const dir = join(dataDir, "idmap-probe");
  const [source, target] = [join(dir, "source"), join(dir, "target")];
  try {
    for (const each of [source, target]) await mkdir(each, { recursive: true });
    await mountIdMapped(toolchainBin, source, target, LAYER_STORE_UID_BASE, LAYER_STORE_UID_BASE);
    return "idmapped";
  } catch (error) {
    log.warn({ err: error }, "no id-mapped mounts here: layers are copied for each tenant");
    return "copied";
  } finally {
    await umountSoon(target);
    await rm(dir, { recursive: true, force: true });
  }
}
