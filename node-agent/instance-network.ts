/** The network namespace of one instance: all its containers share it. */
import type { DesiredInstance } from "../core/contract/node-channel.ts";
import type { Netns, NetnsPool } from "../core/host/net.ts";
import type { InstanceMeter } from "./meter.ts";
import type { PrivateNetworkState } from "./private-network.ts";

export interface InstanceNetworkDeps {
  pool: NetnsPool;
  network: PrivateNetworkState;
  meter: InstanceMeter;
}

export class InstanceNetwork {
  readonly #deps: InstanceNetworkDeps;
  readonly #desired: DesiredInstance;
  /** There from the first start on. */
  netns: Netns | undefined;
  /** The firewall knows it. */
  #hasJoined = false;

  constructor(deps: InstanceNetworkDeps, desired: DesiredInstance) {
    this.#deps = deps;
    this.#desired = desired;
  }

  /** The one that a former agent gave it. */
  adopt(name: string | null): void {
    if (name !== null) this.netns = this.#deps.pool.adopt(name);
    if (this.netns) this.#deps.meter.adoptNetwork(this.netns);
    this.#hasJoined = this.netns !== undefined;
  }

  /** `isTaken`: whoever had it before has taken its address away. Resolves when its rules hold, before there is a process in it. @throws what `NetnsPool` and `PrivateNetwork` do */
  async connect(isTaken = false): Promise<Netns> {
    const { pool, network, meter } = this.#deps;
    if (this.netns === undefined) {
      this.netns = await pool.acquire(this.#desired.network?.egressBytesPerSecond);
      meter.beginNetwork(this.netns);
    } else if (isTaken) await pool.restore(this.netns);
    if (!this.#hasJoined) await network.join(this.#desired, this.netns);
    this.#hasJoined = true;
    return this.netns;
  }

  async release(): Promise<void> {
    const { netns } = this;
    this.netns = undefined;
    this.#hasJoined = false;
    if (netns === undefined) return;
    // Its address is nobody's before it can be another's.
    await this.#deps.network.leave(this.#desired.id);
    await this.#deps.pool.release(netns);
  }
}
