/** `berth.yaml`, which `berth deploy` reads: a deployment's config, and which app it is of. `docs/app-file.md`. */
import type { z } from "zod";
import { DeployConfigSchema } from "./api.ts";
import { AppNameSchema } from "./names.ts";

export const AppFileSchema = DeployConfigSchema.extend({ app: AppNameSchema.optional() });
export type AppFile = z.input<typeof AppFileSchema>;
