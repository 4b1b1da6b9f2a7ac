/** The network namespace of one instance: all its containers share it. */
import type { Netns, NetnsPool } from "../core/host/net.ts";
import type { InstanceMeter } from "./meter.ts";

export class InstanceNetwork {
  readonly #pool: NetnsPool;
  readonly #meter: InstanceMeter;
  /** There from the first start on. */
  netns: Netns | undefined;

  constructor(pool: NetnsPool, meter: InstanceMeter) {
    this.#pool = pool;
    this.#meter = meter;
  }

  /** The one that a former agent gave it. */
  adopt(name: string | null): void {
    if (name !== null) this.netns = this.#pool.adopt(name);
    if (this.netns) this.#meter.adoptNetwork(this.netns);
  }

  async connect(): Promise<Netns> {
    if (this.netns === undefined) {
      this.netns = await this.#pool.acquire();
      this.#meter.beginNetwork(this.netns);
    }
    return this.netns;
  }

  async release(): Promise<void> {
    const { netns } = this;
    this.netns = undefined;
    if (netns) await this.#pool.release(netns);
  }
}
