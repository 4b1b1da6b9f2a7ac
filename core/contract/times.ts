/** Spans of time in queries. */
import { z } from "zod";

/** `2026-03-01` (its first moment, UTC) or `2026-03-01T14:00:00Z`. */
export const MomentSchema = z
  .union([z.iso.date(), z.iso.datetime({ offset: true })], { error: "must be a day such as 2026-03-01, or a time such as 2026-03-01T14:00:00Z" })
  .meta({ description: "A day, which is its first moment (UTC), or a time." });
