/**
 * A sealed value: AES-256-GCM under a random data key of its own, which a master key wraps. What it belongs to is
 * authenticated with it: a ciphertext that is moved to another row does not open.
 */
import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";
import type { Id, TenantId } from "../contract/ids.ts";

/** Which value it is. Never changes while the value is kept. */
export interface SecretBinding {
  tenantId: TenantId;
  secretId: Id<"secret">;
  name: string;
  version: number;
}

export interface WrappedKey {
  keyId: string;
  wrapped: Buffer;
}

/** Whoever holds the master keys: `key-file.ts`, `key-command.ts`. */
export interface MasterKeys {
  /** With the key that seals now. */
  wrap(dataKey: Buffer, binding: SecretBinding): Promise<WrappedKey>;
  unwrap(key: WrappedKey, binding: SecretBinding): Promise<Buffer>;
  /** Id of the key that seals now. */
  current(): Promise<string>;
}

export interface Sealed {
  sealed: Buffer;
  keyId: string;
}

/** It was not sealed as this value with these keys, or it was changed since. */
export class BrokenSeal extends Error {}

const CIPHER = "aes-256-gcm";
export const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
/** First byte of every sealed value. */
const FORMAT = 1;
/** Format and length of the wrapped key. */
const HEAD_BYTES = 3;

/** Layout: format (1 byte), length of the wrapped key (2), wrapped key, nonce (12), ciphertext, tag (16). */
export async function sealValue(keys: MasterKeys, value: Uint8Array, binding: SecretBinding): Promise<Sealed> {
  const dataKey = randomBytes(KEY_BYTES);
  try {
    const { keyId, wrapped } = await keys.wrap(dataKey, binding);
    const head = Buffer.alloc(HEAD_BYTES);
    head.writeUInt8(FORMAT, 0);
    head.writeUInt16BE(wrapped.length, 1);
    return { sealed: Buffer.concat([head, wrapped, encrypt(dataKey, value, associated("value", binding, keyId))]), keyId };
  } finally {
    dataKey.fill(0);
  }
}

/** @throws BrokenSeal */
export async function openValue(keys: MasterKeys, { sealed, keyId }: Sealed, binding: SecretBinding): Promise<Buffer> {
  if (sealed.length < HEAD_BYTES || sealed.readUInt8(0) !== FORMAT) throw new BrokenSeal("the sealed value has another format");
  const end = HEAD_BYTES + sealed.readUInt16BE(1);
  const dataKey = await keys.unwrap({ keyId, wrapped: sealed.subarray(HEAD_BYTES, end) }, binding);
  if (dataKey.length !== KEY_BYTES) throw new BrokenSeal("the data key has another length");
  try {
    return decrypt(dataKey, sealed.subarray(end), associated("value", binding, keyId));
  } finally {
    dataKey.fill(0);
  }
}

/** One text for one binding, whatever its parts contain. */
export function associated(what: "value" | "key", { tenantId, secretId, name, version }: SecretBinding, keyId: string): Buffer {
  return Buffer.from(JSON.stringify(["berth-secret", FORMAT, what, tenantId, secretId, name, version, keyId]));
}

/** Nonce, ciphertext, tag. The nonce is random: each data key seals once, each master key far fewer than 2^32 times. */
export function encrypt(key: Uint8Array, plain: Uint8Array, aad: Uint8Array): Buffer {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv(CIPHER, key, nonce, { authTagLength: TAG_BYTES }).setAAD(aad);
  return Buffer.concat([nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
}

/** @throws BrokenSeal */
export function decrypt(key: Uint8Array, box: Buffer, aad: Uint8Array): Buffer {
  if (box.length < NONCE_BYTES + TAG_BYTES) throw new BrokenSeal("the sealed value is cut short");
  const decipher = createDecipheriv(CIPHER, key, box.subarray(0, NONCE_BYTES), { authTagLength: TAG_BYTES }).setAAD(aad);
  decipher.setAuthTag(box.subarray(box.length - TAG_BYTES));
  try {
    return Buffer.concat([decipher.update(box.subarray(NONCE_BYTES, box.length - TAG_BYTES)), decipher.final()]);
  } catch (error) {
    throw new BrokenSeal("the sealed value does not belong here, or was changed", { cause: error });
  }
}
