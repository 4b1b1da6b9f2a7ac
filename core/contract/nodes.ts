/** Nodes as operators see them. */
import { z } from "zod";
import { idSchema } from "./ids.ts";

export const NodeSchema = z
  .object({
    id: idSchema("node"),
    name: z.string(),
    /** Its agent spoke a moment ago. */
    isUp: z.boolean(),
    lastSeenAt: z.iso.datetime().nullable(),
    /** It takes instances; `draining`: what can be elsewhere moves there. */
    schedulable: z.boolean(),
    draining: z.boolean(),
    /** Instances on it now, and how many it takes. */
    instances: z.number().int(),
    maxInstances: z.number().int().nullable(),
    memoryBytes: z.number().int().nullable(),
    cpuMillis: z.number().int().nullable(),
    /** Of its instances' addresses, and where other nodes reach it. */
    subnet: z.string().nullable(),
    address: z.string().nullable(),
    /** What its agent found at its start: `kernel`, `cgroups`, `arch`, `layers` (id-mapped or copied). */
    facts: z.record(z.string(), z.string()),
  })
  .meta({ id: "Node" });
export type Node = z.infer<typeof NodeSchema>;

export const NodePatchSchema = z
  .object({ schedulable: z.boolean().describe("False: it takes no more instances, and keeps what it has. Either value ends a drain.") })
  .partial()
  .strict()
  .meta({ id: "NodePatch" });
export type NodePatch = z.infer<typeof NodePatchSchema>;

/** An app with instances or volumes on a node. */
export const NodeAppSchema = z
  .object({
    id: idSchema("app"),
    app: z.string(),
    tenant: z.string(),
    moves: z.number().int().describe("Instances that a drain moves to other nodes."),
    stays: z.number().int().describe("Instances that mount a volume which is on this node: they stay with it."),
    runs: z.number().int().describe("Instances of runs: they end by themselves."),
    volumes: z.array(z.string()).describe("Volumes of it that are on this node, mounted or not."),
  })
  .meta({ id: "NodeApp" });
export type NodeApp = z.infer<typeof NodeAppSchema>;
