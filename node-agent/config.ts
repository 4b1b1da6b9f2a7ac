/** The agent's environment. */
import { z } from "zod";
import { LogEnv } from "../core/env.ts";

export const AgentEnv = z.object({
  ...LogEnv,
  BERTH_API_URL: z.url(),
  BERTH_NODE_TOKEN: z.string().min(1),
  BERTH_NODE_NAME: z.string().min(1),
  BERTH_NODE_DATA: z.string().min(1),
  BERTH_NET_PREFIX: z.string().regex(/^[a-z][a-z0-9]{0,3}$/).default("bth"),
  /** Of this node's instances alone: other nodes have others. */
  BERTH_SUBNET: z.cidrv4().default("10.201.0.0/16"),
  /** Where other nodes reach this one; without it the private network ends at this node. */
  BERTH_NODE_ADDRESS: z.union([z.literal(""), z.ipv4()]).default(""),
  /** UDP port of the tunnel between nodes, the same on all, and the size of packets within it. */
  BERTH_TUNNEL_PORT: z.coerce.number().int().min(1).max(65_535).default(7079),
  BERTH_TUNNEL_MTU: z.coerce.number().int().min(1280).max(9000).default(1450),
  /** Name servers for what is not of the private network, `address` or `address:port` between commas; without it the host's. */
  BERTH_RESOLVERS: z.string().regex(/^(\d+\.\d+\.\d+\.\d+(:\d+)?(,|$))*$/, "is a list of IPv4 addresses").default("").transform((text) => text.split(",").filter(Boolean)),
  /** What an instance may send, unless its app says otherwise. */
  BERTH_EGRESS_BYTES_PER_SECOND: z.coerce.number().int().min(16_384).max(12_500_000_000).default(125_000_000),
  /** Most connections that an instance has open at a time. */
  BERTH_INSTANCE_CONNECTIONS: z.coerce.number().int().min(16).max(65_535).default(4096),
  BERTH_TOOLCHAIN: z.string().min(1),
  BERTH_TOOLCHAIN_BIN: z.string().min(1),
  /** Layers that no instance uses are removed, least recently used first, when the store grows beyond this. */
  BERTH_LAYER_STORE_BYTES: z.coerce.number().int().positive().default(20 * 2 ** 30),
  /** How tenants see the node's layers with their own ids; `auto` looks what the kernel can. */
  BERTH_LAYER_SHARING: z.enum(["auto", "idmapped", "copied"]).default("auto"),
  /** Most bytes of one unpacked layer. */
  BERTH_LAYER_BYTES: z.coerce.number().int().positive().default(10 * 2 ** 30),
  /** Most files, directories and links in one layer. */
  BERTH_LAYER_ENTRIES: z.coerce.number().int().positive().default(1_000_000),
  /** Network namespaces kept ready. */
  BERTH_NETNS_READY: z.coerce.number().int().min(1).max(1000).default(8),
  /** Private destinations that instances may reach, comma-separated CIDRs. */
  BERTH_ALLOW_CIDRS: z.string().default("").transform((text) => text.split(",").map((part) => part.trim()).filter(Boolean)),
  /** How often the kernel's counters are read and told: what a host that is lost takes with it. */
  BERTH_USAGE_MS: z.coerce.number().int().min(100).max(3_600_000).default(15_000),
  /** Where gateways wake instances; port 0 takes a free one. Gateways of other hosts need an address that they reach. */
  BERTH_NODE_WAKE_LISTEN: z.string().regex(/^\d+\.\d+\.\d+\.\d+:\d+$/, "must be ADDRESS:PORT").refine((text) => !text.startsWith("0.0.0.0"), "names the address that gateways reach, not all").default("127.0.0.1:0"),
  /** Sessions into instances (exec, port-forward) end after so long without a byte. */
  BERTH_SESSION_IDLE_MS: z.coerce.number().int().min(1000).default(900_000),
  BERTH_NODE_INSTANCES: z.coerce.number().int().positive().default(1000),
});
