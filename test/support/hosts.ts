/** Hosts of a test's own: network namespaces with a network between them, and a way to the test. */
import { randomInt } from "node:crypto";
import { run, runUnchecked } from "../../core/host/spawn.ts";
import type { TestHost } from "./node.ts";

export interface HostNetwork {
  /** `address`: on the network between the hosts. */
  hosts: (TestHost & { address: string })[];
  remove(): Promise<void>;
}

/** Two hosts, joined by one cable. */
export async function twoHosts(): Promise<HostNetwork> {
  const tag = randomInt(36 ** 3).toString(36).padStart(3, "0");
  const [names, links] = [["a", "b"].map((end) => `bh${tag}${end}`), ["a", "b"].map((end) => `bh${tag}${end}0`)] as [[string, string], [string, string]];
  const third = randomInt(256);
  const address = (index: number) => `192.0.2.${index + 1}`;
  const remove = async () => {
    for (const name of names) await runUnchecked(["ip", "netns", "delete", name]);
    for (const link of links) await runUnchecked(["ip", "link", "delete", link]);
  };
  try {
    for (const name of names) await run(["ip", "netns", "add", name]);
    await run(["ip", "-n", names[0], "link", "add", "between", "type", "veth", "peer", "name", "between", "netns", names[1]]);
    const hosts = names.map((netns, index) => ({ netns, address: address(index), gateway: `198.18.${third}.${4 * index + 1}` }));
    for (const [index, { netns, gateway }] of hosts.entries()) {
      const link = links[index] ?? "";
      await run(["ip", "-batch", "-"], { input: [`link add ${link} type veth peer name outside netns ${netns}`, `addr add ${gateway}/30 dev ${link}`, `link set ${link} up`, ""].join("\n") });
      const inner = ["link set lo up", `addr add 198.18.${third}.${4 * index + 2}/30 dev outside`, "link set outside up", `addr add ${address(index)}/24 dev between`, "link set between up", ""];
      await run(["ip", "-n", netns, "-batch", "-"], { input: inner.join("\n") });
    }
    return { hosts, remove };
  } catch (error) {
    await remove();
    throw error;
  }
}
