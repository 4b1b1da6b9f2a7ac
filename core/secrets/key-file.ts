/** Master keys in a file of the operator's: `docs/secrets.md` says how it is made, kept and rotated. */
import { randomBytes } from "node:crypto";
import { closeSync, fsyncSync, linkSync, openSync, readFileSync, renameSync, statSync, unlinkSync, writeSync } from "node:fs";
import { z } from "zod";
import { associated, BrokenSeal, decrypt, encrypt, KEY_BYTES, type MasterKeys } from "./envelope.ts";

const KeyFileSchema = z.object({
  /** The first one seals; the others open what they once sealed. */
  keys: z
    .array(
      z.object({
        id: z.string().regex(/^[A-Za-z0-9._-]{1,64}$/, "must be 1 to 64 letters, digits, «.», «_» and «-»"),
        /** 32 bytes, base64. */
        key: z.base64().refine((text) => Buffer.from(text, "base64").length === KEY_BYTES, `must be ${KEY_BYTES} bytes in base64`),
      }).strict(),
    )
    .min(1)
    .max(100)
    .refine((keys) => new Set(keys.map(({ id }) => id)).size === keys.length, "has an id twice"),
}).strict();

const OTHERS = 0o077;

/** Reads the file once. @throws Error that says what is wrong with it, without a word of what it holds */
export function openKeyFile(path: string): MasterKeys {
  if ((statSync(path).mode & OTHERS) !== 0) throw new Error(`${path} holds the keys of all secrets, and others than its owner may read it: chmod 600 ${path}`);
  return keysOf(readFile(path), path);
}

function readFile(path: string): unknown {
  const text = readFileSync(path, "utf8");
  try {
    return JSON.parse(text);
  } catch {
    // The parser's message would quote the file.
    throw new Error(`${path} is no JSON`);
  }
}

/** The keys of `{"keys":[{"id","key"}]}`. */
export function keysOf(content: unknown, source = "the key file"): MasterKeys {
  const parsed = KeyFileSchema.safeParse(content);
  if (!parsed.success) throw new Error(`${source} is not valid: ${parsed.error.issues.map((issue) => `${issue.path.join(".")} ${issue.message}`).join("; ")}`);
  const keys = new Map(parsed.data.keys.map(({ id, key }) => [id, Buffer.from(key, "base64")]));
  const [first] = parsed.data.keys;
  const keyOf = (id: string) => {
    const key = keys.get(id);
    if (key === undefined) throw new BrokenSeal(`there is no master key «${id}» here`);
    return key;
  };
  const current = first?.id ?? "";
  return {
    current: async () => current,
    wrap: async (dataKey, binding) => ({ keyId: current, wrapped: encrypt(keyOf(current), dataKey, associated("key", binding, current)) }),
    unwrap: async ({ keyId, wrapped }, binding) => decrypt(keyOf(keyId), wrapped, associated("key", binding, keyId)),
  };
}

/** Puts a random key behind the others: it opens, and does not seal yet. */
export function addKey(path: string, id: string): string {
  rewrite(path, (keys) => [...keys, { id, key: randomBytes(KEY_BYTES).toString("base64") }]);
  return id;
}

/** Has the key seal from now on. */
export function sealWith(path: string, id: string): string {
  rewrite(path, (keys) => [...keys.filter((one) => one.id === id), ...keys.filter((one) => one.id !== id)]);
  return id;
}

/** Leaves the key that seals. */
export function dropOldKeys(path: string): string {
  let dropped: string[] = [];
  rewrite(path, ([first, ...others]) => {
    dropped = others.map(({ id }) => id);
    return first === undefined ? [] : [first];
  });
  return dropped.length === 0 ? "there was none" : dropped.join(", ");
}

type Keys = z.infer<typeof KeyFileSchema>["keys"];

/** Whole or not at all; what comes out is checked as what is read is. */
function rewrite(path: string, edit: (keys: Keys) => Keys): void {
  const { keys } = KeyFileSchema.parse(readFile(path));
  const content = { keys: edit(keys) };
  keysOf(content, path);
  renameSync(writeDraft(path, content), path);
}

/** A new file with one random key, 0600; one that is there stays as it is. Returns whether it was made. */
export function makeKeyFile(path: string, id: string): boolean {
  const draft = writeDraft(path, { keys: [{ id, key: randomBytes(KEY_BYTES).toString("base64") }] });
  try {
    // Never over one that is there.
    linkSync(draft, path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  } finally {
    unlinkSync(draft);
  }
}

function writeDraft(path: string, content: z.infer<typeof KeyFileSchema>): string {
  const draft = `${path}.${process.pid}.new`;
  const file = openSync(draft, "wx", 0o600);
  try {
    writeSync(file, `${JSON.stringify(content, null, 2)}\n`);
    // Whatever it seals is lost with it.
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  return draft;
}
