/** A secret's value: from a prompt on a terminal, else from stdin. */
import type { SecretPut } from "../client/index.ts";
import { usageError } from "./errors.ts";

/** More than any kind may have; the API knows the limits. */
const MAX_BYTES = 1_048_576;

export async function readSecretValue(name: string, kind: SecretPut["kind"]): Promise<Buffer> {
  if (process.stdin.isTTY === true) {
    const { password } = await import("@inquirer/prompts");
    return Buffer.from(await password({ message: `Value of ${name}:`, mask: "*" }));
  }
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of process.stdin) {
    chunks.push(chunk as Buffer);
    bytes += (chunk as Buffer).length;
    if (bytes > MAX_BYTES) throw usageError("That is too much for a secret.");
  }
  if (bytes === 0) throw usageError(`Stdin has no value for ${name}.`, "Pipe it in, name a --file, or run it on a terminal to be asked.");
  const value = Buffer.concat(chunks);
  return kind === "env" ? withoutLineEnd(value) : value;
}

/** `echo value |` ends with a line end that is not meant: in a variable, but not in a file. */
export function withoutLineEnd(value: Buffer): Buffer {
  if (value.at(-1) !== 0x0a) return value;
  return value.subarray(0, value.at(-2) === 0x0d ? -2 : -1);
}

/** As text where it is text, else as base64. */
export function secretBody(kind: SecretPut["kind"], value: Buffer): SecretPut {
  const text = value.toString("utf8");
  return Buffer.from(text, "utf8").equals(value) ? { kind, value: text } : { kind, value: value.toString("base64"), encoding: "base64" };
}
