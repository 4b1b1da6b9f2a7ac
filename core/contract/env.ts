/** Variables. */
import { z } from "zod";

export const ENV_NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;
export const EnvSchema = z.record(
  z.string().regex(ENV_NAME, "a variable's name has letters, digits and _, and starts with no digit").max(256),
  z.string().max(32_768).refine((v) => !v.includes("\0"), "a value has no NUL byte"),
).meta({ id: "Env" });
