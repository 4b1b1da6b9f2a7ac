/** The build network of this worker: a few slots that last as long as the worker, and the rules around them. */
import { createHash } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { hostResolvers, loadRules } from "../../core/host/firewall.ts";
import { run, runUnchecked } from "../../core/host/spawn.ts";
import { policyRules, slotAddresses, slotBatch, slotInnerBatch, type SlotNetwork } from "./commands/network.ts";
import { startRegistryProxy, type RegistryProxy, type RegistryProxyOptions } from "./registry-proxy.ts";

export interface BuildNetworkOptions extends Omit<RegistryProxyOptions, "address" | "port" | "peer"> {
  /** BERTH_NET_PREFIX, four characters at most. */
  prefix: string;
  /** Directory of this worker's own: tells its devices from those of other workers on the host. */
  workerData: string;
  subnet: string;
  allowCidrs: readonly string[];
  registryPort: number;
}

export interface Slot extends SlotNetwork {
  index: number;
  netnsPath: string;
  proxy: RegistryProxy;
}

export interface BuildNetwork {
  resolvers: readonly string[];
  /** A slot that nobody uses; made when there is none. */
  take(): Promise<Slot>;
  release(slot: Slot): void;
  close(): Promise<void>;
}

const SUBNET_TRIES = 4096;

/** Removes what a former life of this worker left, loads the rules and makes the first slots. */
export async function openBuildNetwork(options: BuildNetworkOptions, slotsAhead: number): Promise<BuildNetwork> {
  const tag = createHash("sha256").update(options.workerData).digest("hex").slice(0, 4);
  const names = {
    netns: `${options.prefix}-b${tag}-`,
    device: `${options.prefix}b${tag}`,
    table: `berth_${options.prefix}_b${tag}`,
  };
  const resolvers = await hostResolvers();
  await removeSlots(names.netns);
  await writeFile("/proc/sys/net/ipv4/ip_forward", "1");
  const slots: Slot[] = [];
  const free: Slot[] = [];
  let nextIndex = 0;
  const load = (next: readonly SlotNetwork[]) => loadRules(policyRules({ ...options, table: names.table, devicePrefix: names.device, resolvers, slots: next }));
  await load([]);

  const makeSlot = async (): Promise<Slot> => {
    const number = slots.length;
    for (; nextIndex < SUBNET_TRIES; ) {
      const index = nextIndex++;
      const { host, sandbox } = slotAddresses(options.subnet, index);
      const network: SlotNetwork = { netns: names.netns + index, device: names.device + index, hostAddress: host, sandboxAddress: sandbox };
      if (await addressTaken(host)) continue;
      // The rules are there before the first packet can be.
      await load([...slots, network]);
      await run(["ip", "netns", "add", network.netns]);
      await run(["ip", "-batch", "-"], { input: slotBatch(network) });
      await run(["ip", "-n", network.netns, "-batch", "-"], { input: slotInnerBatch(network) });
      try {
        const proxy = await startRegistryProxy({ ...options, address: host, port: options.registryPort, peer: sandbox });
        const slot: Slot = { ...network, index: number, netnsPath: `/run/netns/${network.netns}`, proxy };
        slots.push(slot);
        return slot;
      } catch (error) {
        await runUnchecked(["ip", "netns", "delete", network.netns]);
        // Another worker on this host took the same addresses at the same moment.
        if ((error as NodeJS.ErrnoException).code !== "EADDRINUSE") throw error;
      }
    }
    throw new Error(`the build subnet ${options.subnet} has no free addresses`);
  };
  // One at a time: the rules name all slots.
  let making: Promise<unknown> = Promise.resolve();
  const makeNext = () => {
    const made = making.then(makeSlot);
    making = made.catch(() => {});
    return made;
  };
  for (let count = 0; count < slotsAhead; count++) free.push(await makeNext());

  return {
    resolvers,
    take: async () => free.pop() ?? (await makeNext()),
    release: (slot) => {
      slot.proxy.serve(undefined);
      free.push(slot);
    },
    close: async () => {
      await Promise.all(slots.map((slot) => slot.proxy.close()));
      await removeSlots(names.netns);
      await runUnchecked(["nft", "delete", "table", "inet", names.table]);
    },
  };
}

async function removeSlots(prefix: string): Promise<void> {
  const { stdout } = await run(["ip", "-json", "netns", "list"]);
  const all = stdout.trim() === "" ? [] : (JSON.parse(stdout) as { name: string }[]);
  // Deleting a namespace deletes its end of the pair, and so the host's.
  for (const { name } of all) if (name.startsWith(prefix)) await runUnchecked(["ip", "netns", "delete", name]);
}

async function addressTaken(address: string): Promise<boolean> {
  const { stdout } = await run(["ip", "-json", "-4", "addr", "show"]);
  const links = JSON.parse(stdout) as { addr_info?: { local?: string }[] }[];
  return links.some((link) => link.addr_info?.some((info) => info.local === address));
}
