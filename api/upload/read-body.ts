/** The body of an upload: a context as it is, or a form with the parts `config` and `context`. */
import type { Readable } from "node:stream";
import busboy from "busboy";
import type { z } from "zod";
import { DEPLOY_CONFIG_HEADER, DeployConfigSchema, type DeployConfig } from "../../core/contract/api.ts";
import { AppError } from "../../core/contract/errors.ts";
import { invalid } from "../problems.ts";

const CONFIG_MAX_BYTES = 256 * 1024;
const CONTEXT_TYPES = new Set([
  "application/x-tar", "application/tar", "application/gzip", "application/x-gzip", "application/x-tar+gzip", "application/x-gtar",
  "application/zstd", "application/x-zstd", "application/octet-stream", "text/x-dockerfile", "text/plain", "application/x-www-form-urlencoded", "",
]);

export interface UploadHeaders {
  contentType: string;
  config: string | undefined;
}

export interface BodyResult<T> {
  context: T;
  config: DeployConfig;
}

export type TakeContext<T> = (body: Readable, isDockerfile: boolean) => Promise<T>;

/** Hands the context's bytes to `take` while they come, and reads the configuration wherever it is. @throws AppError */
export async function readBody<T>(body: Readable, headers: UploadHeaders, take: TakeContext<T>): Promise<BodyResult<T>> {
  const type = headers.contentType.split(";", 1)[0]?.trim().toLowerCase() ?? "";
  if (type === "multipart/form-data") return readForm(body, headers, take);
  if (!CONTEXT_TYPES.has(type)) {
    throw new AppError("unsupported_media_type", `«${type}» is not accepted: send application/x-tar, application/gzip, application/zstd, text/x-dockerfile or multipart/form-data.`);
  }
  const config = readConfig(headers.config ?? "{}", `the header ${DEPLOY_CONFIG_HEADER}`);
  return { context: await take(body, type === "text/x-dockerfile"), config };
}

/** @throws AppError invalid_config */
function readConfig(text: string, where: string): DeployConfig {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new AppError("invalid_config", `In ${where} there is no valid JSON: ${(error as Error).message}.`);
  }
  const parsed = DeployConfigSchema.safeParse(value);
  if (!parsed.success) throw invalid("invalid_config", parsed.error.issues satisfies z.core.$ZodIssue[]);
  return parsed.data;
}

async function readForm<T>(body: Readable, headers: UploadHeaders, take: TakeContext<T>): Promise<BodyResult<T>> {
  const { promise: broken, reject } = Promise.withResolvers<never>();
  broken.catch(() => {});
  let context: Promise<T> | undefined;
  let configText: string | undefined;
  const form = openForm(headers.contentType);
  const setConfig = (text: string) => {
    if (configText !== undefined) reject(new AppError("invalid_request", "The form has two parts «config»."));
    configText = text;
    // Wrong configuration is said before gigabytes have come.
    try {
      readConfig(text, "the part «config»");
    } catch (error) {
      reject(error);
    }
  };
  form.on("field", (name, value, info) => {
    if (info.valueTruncated) reject(tooLargeConfig());
    else if (name === "config") setConfig(value);
    else reject(new AppError("invalid_request", `The form has a part «${name.slice(0, 100)}» that is not known: «context» is a file, «config» is JSON.`));
  });
  form.on("file", (name, stream, info) => {
    stream.on("error", () => {});
    if (name === "config") {
      void readSmall(stream).then(setConfig, reject);
    } else if (name === "context" && context === undefined) {
      context = take(stream, info.mimeType === "text/x-dockerfile");
      context.catch(reject);
    } else {
      stream.resume();
      reject(new AppError("invalid_request", `The form has a part «${name.slice(0, 100)}» too many.`));
    }
  });
  for (const limit of ["partsLimit", "filesLimit", "fieldsLimit"] as const) {
    form.on(limit, () => reject(new AppError("invalid_request", "The form has too many parts.")));
  }
  const closed = new Promise<void>((resolve) => form.on("close", resolve));
  form.on("error", (error: Error) => reject(new AppError("context_truncated", `The form is not whole: ${error.message}.`, { cause: error })));
  body.on("error", (error) => form.destroy(error));
  // A request that breaks off emits `close` without `end`.
  body.on("close", () => body.readableEnded || form.destroy(new Error("the connection broke")));
  body.pipe(form);
  try {
    await Promise.race([closed, broken]);
    // The parts may have been read to their end while one was refused.
    await Promise.race([broken, Promise.resolve()]);
    if (context === undefined) throw new AppError("invalid_request", "The form has no part «context».");
    const done = await Promise.race([context, broken]);
    return { context: done, config: readConfig(configText ?? headers.config ?? "{}", "the part «config»") };
  } catch (error) {
    body.unpipe(form);
    form.destroy();
    // The context's taker cleans up before the answer is given.
    await (context as Promise<T> | undefined)?.catch(() => {});
    throw error;
  }
}

function openForm(contentType: string): busboy.Busboy {
  try {
    return busboy({
      headers: { "content-type": contentType },
      limits: { parts: 8, files: 2, fields: 4, fieldSize: CONFIG_MAX_BYTES, fieldNameSize: 100, headerPairs: 20 },
    });
  } catch (error) {
    throw new AppError("invalid_request", `The form cannot be read: ${(error as Error).message}.`, { cause: error });
  }
}

async function readSmall(stream: Readable): Promise<string> {
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    sizeBytes += chunk.length;
    if (sizeBytes > CONFIG_MAX_BYTES) throw tooLargeConfig();
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function tooLargeConfig(): AppError {
  return new AppError("invalid_config", `The configuration is larger than ${CONFIG_MAX_BYTES} bytes.`);
}
