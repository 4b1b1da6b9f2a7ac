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
