/** What a tenant may use, as `GET /v1/quota` says it. */
import { z } from "zod";
import { LimitsSchema } from "../domain/limits.ts";

export const QuotaListSchema = z.object({
  /** Null: the platform's own limits. */
  plan: z.string().nullable(),
  items: z.array(
    z.object({
      name: LimitsSchema.keyof(),
      limit: z.number().int(),
      /** Null where the limit bounds one request or a rate. */
      used: z.number().int().nullable(),
    }),
  ),
}).meta({ id: "QuotaList" });
export type QuotaList = z.infer<typeof QuotaListSchema>;
