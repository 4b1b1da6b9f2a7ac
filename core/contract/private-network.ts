/**
 * What a node must know of others so that the apps of its tenants find and reach each other: the tenants that have
 * instances on it, and no others. Each message is the whole.
 */
import { z } from "zod";
import { idSchema } from "./ids.ts";
import { WakeAddressSchema } from "./wake.ts";

/** What a node says of its place: instances get addresses of the subnet, other nodes send for them to the address. */
export const NodeNetworkSchema = z.object({ subnet: z.cidrv4(), address: z.ipv4().optional() });

const NodeSchema = NodeNetworkSchema.extend({
  id: idSchema("node"),
  /** Where its instances are woken. */
  wake: WakeAddressSchema.optional(),
});

const ServiceInstanceSchema = z.object({
  id: idSchema("instance"),
  nodeId: idSchema("node"),
  address: z.ipv4(),
  /** It belongs to the live release and was ready when this was said. Others may send, and get nothing by name. */
  serves: z.boolean(),
  /** It has to be woken first. */
  asleep: z.boolean(),
});
export type ServiceInstance = z.infer<typeof ServiceInstanceSchema>;

const ServiceSchema = z.object({
  appId: idSchema("app"),
  name: z.string(),
  /** It has a live release; without an instance one is placed when it is asked for. */
  isLive: z.boolean(),
  instances: z.array(ServiceInstanceSchema),
});
export type Service = z.infer<typeof ServiceSchema>;

export const PrivateNetworkSchema = z.object({
  type: z.literal("network"),
  /** All that are up and have said their place, the receiver too. */
  nodes: z.array(NodeSchema),
  tenants: z.array(
    z.object({
      id: idSchema("tenant"),
      /** First host id of the tenant's own: what the firewall tells tenants apart by. */
      uidBase: z.number().int(),
      services: z.array(ServiceSchema),
    }),
  ),
});
export type PrivateNetwork = z.infer<typeof PrivateNetworkSchema>;
