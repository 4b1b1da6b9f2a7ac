/** The audit log as it is read: `GET /v1/audit`. */
import { z } from "zod";
import { idSchema } from "./ids.ts";

const details = z.record(z.string(), z.unknown());

export const AuditEntrySchema = z
  .object({
    id: idSchema("audit"),
    at: z.iso.datetime(),
    /** `token:tok_…`, `user:usr_…` or `system`: what Berth does by itself. */
    actor: z.string(),
    /** As people know it: the token's name, the person's address. */
    actorName: z.string(),
    /** Address of the client; null: of Berth itself. */
    ip: z.string().nullable(),
    requestId: z.string().nullable(),
    verb: z.string(),
    /** Id of what was changed. */
    target: z.string(),
    detail: details,
    /** What it was and what it became, where that says more. Values of variables and secrets are never here. */
    before: details.nullable(),
    after: details.nullable(),
  })
  .meta({ id: "AuditEntry" });
export type AuditEntry = z.infer<typeof AuditEntrySchema>;
