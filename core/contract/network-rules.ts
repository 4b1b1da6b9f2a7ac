/** Who reaches an app over the private network, and where an app may go: settings of its owner. */
import { z } from "zod";
import { AppNameSchema } from "./names.ts";

/** All apps of the tenant; an app of this name cannot be told from them, and needs no rule. */
export const WHOLE_TENANT = "tenant";
const MAX_RULES = 32;
const MAX_PEERS = 64;
const MAX_PORTS = 32;

/** `203.0.113.0/24`, or one address. Instances have IPv4 alone. */
const RangeSchema = z
  .union([z.ipv4(), z.cidrv4()], { error: "is an IPv4 address or range such as 203.0.113.0/24" })
  .refine((text) => !text.includes("/") || Number(text.split("/")[1]) <= 32, "is an IPv4 range");

const PeerSchema = z.union([RangeSchema, z.literal(WHOLE_TENANT), AppNameSchema], { error: `is an IPv4 range such as 203.0.113.0/24, the name of an app of this tenant, or «${WHOLE_TENANT}»` });

const PortsSchema = z
  .union([
    z.number().int().min(1).max(65_535),
    z.string().regex(/^\d{1,5}-\d{1,5}$/).refine((text) => {
      const [first = 0, last = 0] = text.split("-").map(Number);
      return first >= 1 && first <= last && last <= 65_535;
    }),
  ], { error: "is a port, or a range of ports such as «8000-8100»" });

const ports = z.array(PortsSchema).min(1).max(MAX_PORTS).optional();

/** Without `ports`: all. */
export const IngressRuleSchema = z.object({ from: z.array(PeerSchema).min(1).max(MAX_PEERS), ports }).strict().meta({ id: "IngressRule" });
export type IngressRule = z.infer<typeof IngressRuleSchema>;

/** Without `protocol`: both, and without `ports` all there is, ping too. */
export const EgressRuleSchema = z.object({ to: PeerSchema, ports, protocol: z.enum(["tcp", "udp"]).optional() }).strict().meta({ id: "EgressRule" });
export type EgressRule = z.infer<typeof EgressRuleSchema>;

export const IngressSchema = z.array(IngressRuleSchema).max(MAX_RULES);
export const EgressSchema = z.object({ allow: z.array(EgressRuleSchema).max(MAX_RULES) }).strict().meta({ id: "Egress" });

/** The part of `SettingsSchema` that is about the network. */
export const networkSettings = {
  /** No URL: reachable as `<app>.internal` for the tenant's own apps alone. */
  private: z.boolean().optional(),
  /** Who reaches its instances beside the gateway. Without it every app of the tenant, on every port; with it nobody else. */
  ingress: IngressSchema.optional(),
  /** Where its instances may connect to. Without it the internet and the tenant's apps; with it nowhere else. */
  egress: EgressSchema.optional(),
  /** What one instance may send; without it what the operator has set for the node. */
  egressBytesPerSecond: z.number().int().min(16_384).max(12_500_000_000).optional(),
};

/** As a change: null takes back. */
export const networkSettingsPatch = {
  private: networkSettings.private.nullable(),
  ingress: networkSettings.ingress.nullable(),
  egress: networkSettings.egress.nullable(),
  egressBytesPerSecond: networkSettings.egressBytesPerSecond.nullable(),
};

/** The same for one instance, as its node carries it out. */
export const InstanceNetworkSchema = z.object({
  ingress: networkSettings.ingress,
  egress: networkSettings.egress,
  egressBytesPerSecond: networkSettings.egressBytesPerSecond,
});
export type InstanceNetwork = z.infer<typeof InstanceNetworkSchema>;
