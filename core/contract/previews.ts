/** Previews and promotion on the wire. */
import { z } from "zod";
import { AppSchema } from "./api.ts";
import { PreviewNameSchema } from "./names.ts";

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;

export const PreviewPutSchema = z
  .object({ /** From now. */ expiresInMs: z.number().int().min(MINUTE_MS).max(365 * DAY_MS).default(7 * DAY_MS) })
  .strict()
  .meta({ id: "PreviewPut" });

export const PreviewSchema = z.object({
  name: z.string(),
  /** The app that it is a preview of. */
  of: z.string(),
  /** Itself, as an app: deployed, looked at and destroyed by its name. */
  app: AppSchema,
  expiresAt: z.iso.datetime(),
}).meta({ id: "Preview" });
export type Preview = z.infer<typeof PreviewSchema>;

export const PreviewParam = z.object({ preview: PreviewNameSchema });

/** Body of `POST /v1/apps/{app}/promote`. */
export const PromoteSchema = z
  .object({
    /** Name or id of the app, or of the preview as an app, whose image this app is to run. */
    from: z.string().min(1).max(64),
    /** `v3`, or an id; the live one without it. */
    release: z.string().optional(),
  })
  .strict()
  .meta({ id: "Promote" });
