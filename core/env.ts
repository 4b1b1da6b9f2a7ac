/** Reading a process's environment once, at its start. */
import { z } from "zod";

/** The environment as the schema reads it. Throws one sentence that names every variable that is wrong. */
export function readEnv<T extends z.ZodType>(schema: T, env: NodeJS.ProcessEnv): z.infer<T> {
  const parsed = schema.safeParse(env);
  if (parsed.success) return parsed.data;
  const wrong = parsed.error.issues.map((issue) => `${issue.path.join(".")}: ${issue.message}`);
  throw new Error(`the environment is not valid:\n  ${wrong.join("\n  ")}`);
}

/** Variables of the stores that more than one part reads. */
export const DatabaseEnv = { BERTH_DATABASE_URL: z.url({ protocol: /^postgres(ql)?$/ }) };
export const RedisEnv = {
  BERTH_REDIS_URL: z.url({ protocol: /^rediss?$/ }),
  /** Before every key and channel, so that several Berths can share one Redis. */
  BERTH_REDIS_PREFIX: z.string().default("berth:"),
};
export const S3Env = {
  BERTH_S3_ENDPOINT: z.url().optional(),
  BERTH_S3_REGION: z.string().default("us-east-1"),
  BERTH_S3_BUCKET: z.string().default("berth"),
  BERTH_S3_ACCESS_KEY_ID: z.string(),
  BERTH_S3_SECRET_ACCESS_KEY: z.string(),
};
export const LogEnv = { BERTH_LOG_LEVEL: z.enum(["trace", "debug", "info", "warn", "error", "silent"]).default("info") };
