/** What an instance works with. */
import type { DesiredInstance } from "../core/contract/node-channel.ts";
import type { NetnsPool } from "../core/host/net.ts";
import type { Log } from "../core/log.ts";
import type { ContainerHost } from "./container.ts";
import type { Exits } from "./exits.ts";
import type { LastUsage } from "./last-usage.ts";
import type { LayerStore } from "./layer-store.ts";
import type { PrivateNetworkState } from "./private-network.ts";
import type { Volumes } from "./volumes.ts";
import type { Turns } from "./turns.ts";

export interface InstanceDeps {
  host: ContainerHost;
  store: LayerStore;
  pool: NetnsPool;
  network: PrivateNetworkState;
  exits: Exits;
  lastUsage: LastUsage;
  volumes: Volumes;
  /** Creating containers. */
  starts: Turns;
  /** The layer store as this tenant's ids see it. */
  tenantLayers: (desired: DesiredInstance) => Promise<string>;
  log: Log;
  /** Something that the API should know has changed. */
  onChange: () => void;
}
