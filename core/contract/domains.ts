/** Host names of tenants' own on the wire. */
import { z } from "zod";
import { idSchema } from "./ids.ts";

const time = z.iso.datetime();

export const DomainSchema = z.object({
  id: idSchema("domain"),
  host: z.string(),
  app: z.string(),
  /** Only a verified one is served. */
  verified: z.boolean(),
  /** The record that shows whose the host is. It may be removed once it was seen. */
  record: z.object({ name: z.string(), type: z.literal("TXT"), value: z.string() }),
  /** Where the host's CNAME (or ALIAS) should lead. */
  target: z.string(),
  /** What the last look at DNS found, when it was not the proof. */
  problem: z.string().nullable(),
  createdAt: time,
  verifiedAt: time.nullable(),
  checkedAt: time.nullable(),
}).meta({ id: "Domain" });
export type Domain = z.infer<typeof DomainSchema>;

export const DomainCreateSchema = z.object({ host: z.string().min(1).max(300) }).strict().meta({ id: "DomainCreate" });

export const HostParam = z.object({ host: z.string().min(1).max(300) });
