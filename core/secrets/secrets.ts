/** Sealing and opening values of secrets, with whichever master keys the environment names. */
import { existsSync } from "node:fs";
import { z } from "zod";
import { AppError } from "../contract/errors.ts";
import { BrokenSeal, openValue, sealValue, type MasterKeys, type Sealed, type SecretBinding } from "./envelope.ts";
import { KmsCommandSchema, openKeyCommand } from "./key-command.ts";
import { openKeyFile } from "./key-file.ts";

export interface Secrets {
  /** False: nothing can be sealed here. */
  readonly hasKeys: boolean;
  /** @throws AppError secrets_unavailable */
  seal(value: Uint8Array, binding: SecretBinding): Promise<Sealed>;
  /** @throws AppError secrets_unavailable */
  open(sealed: Sealed, binding: SecretBinding): Promise<Buffer>;
  /** Id of the key that seals now. @throws AppError secrets_unavailable */
  currentKey(): Promise<string>;
}

export const SecretsEnv = {
  /** Master keys: `{"keys":[{"id","key"}]}`, readable by nobody else. */
  BERTH_SECRET_KEYS_FILE: z.string().startsWith("/").optional(),
  /** In its place, a program that wraps data keys. */
  BERTH_KMS_COMMAND: KmsCommandSchema.optional(),
};

/** What the environment names; without either, whatever has to do with secrets says so. @throws Error when the key file is not valid */
export function openSecrets(env: { BERTH_SECRET_KEYS_FILE?: string | undefined; BERTH_KMS_COMMAND?: string[] | undefined }): Secrets {
  const { BERTH_SECRET_KEYS_FILE: path, BERTH_KMS_COMMAND: command } = env;
  if (command !== undefined) return secretsOf(openKeyCommand(command));
  if (path === undefined) return secretsOf(NO_KEYS);
  if (!existsSync(path)) throw new Error(`BERTH_SECRET_KEYS_FILE: there is no ${path}`);
  return secretsOf(openKeyFile(path));
}

export function secretsOf(keys: MasterKeys): Secrets {
  return {
    hasKeys: keys !== NO_KEYS,
    seal: (value, binding) => sealValue(keys, value, binding),
    open: (sealed, binding) =>
      openValue(keys, sealed, binding).catch((error: unknown) => {
        // Which one, for the operator; what the value is, for nobody.
        if (error instanceof BrokenSeal) throw new AppError("secrets_unavailable", `The secret «${binding.name}» (${binding.secretId}, version ${binding.version}) cannot be opened: ${error.message}.`, { cause: error });
        throw error;
      }),
    currentKey: () => keys.current(),
  };
}

async function noKeys(): Promise<never> {
  throw new AppError("secrets_unavailable", "This Berth has no keys for secrets: its operator sets BERTH_SECRET_KEYS_FILE or BERTH_KMS_COMMAND.");
}
const NO_KEYS: MasterKeys = { wrap: noKeys, unwrap: noKeys, current: noKeys };
