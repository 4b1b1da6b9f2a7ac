/**
 * Master keys that a program of the operator's holds, such as one that asks a KMS. It is started for each data key,
 * reads one JSON object from stdin and writes one to stdout; `docs/secrets.md` describes both.
 */
import { LRUCache } from "lru-cache";
import pLimit from "p-limit";
import { z } from "zod";
import { AppError } from "../contract/errors.ts";
import { runUnchecked } from "../host/spawn.ts";
import { KEY_BYTES, type MasterKeys, type SecretBinding } from "./envelope.ts";

const TIMEOUT_MS = 10_000;
const AT_ONCE = 4;
/** An unwrapped data key is kept in memory so long: a node's state is rendered far more often than a secret changes. */
const KEEP_MS = 5 * 60_000;
const KEEP_MAX = 10_000;
const MAX_WRAPPED_BYTES = 65_535;

export const KmsCommandSchema = z.string().transform((text, context): string[] => {
  const argv = z.array(z.string().min(1)).min(1).safeParse(text.startsWith("[") ? parse(text) : [text]);
  if (argv.success) return argv.data;
  context.addIssue('must be a program\'s path, or a JSON array such as ["/usr/local/bin/kms", "--key", "berth"]');
  return z.NEVER;
});

const KeyIdSchema = z.string().min(1).max(200);
const AnswerSchemas = {
  current: z.object({ keyId: KeyIdSchema }),
  wrap: z.object({ keyId: KeyIdSchema, ciphertext: z.base64().max(MAX_WRAPPED_BYTES) }),
  unwrap: z.object({ plaintext: z.base64() }),
};
type Op = keyof typeof AnswerSchemas;

export function openKeyCommand(argv: readonly string[], options: { timeoutMs?: number; env?: NodeJS.ProcessEnv } = {}): MasterKeys {
  const atOnce = pLimit(AT_ONCE);
  const known = new LRUCache<string, Buffer>({ max: KEEP_MAX, ttl: KEEP_MS, dispose: (key) => void key.fill(0) });
  const ask = <O extends Op>(op: O, request: Record<string, unknown>): Promise<z.infer<(typeof AnswerSchemas)[O]>> =>
    atOnce(async () => {
      const { code, stdout } = await runUnchecked(argv, {
        input: `${JSON.stringify({ op, ...request })}\n`,
        timeoutMs: options.timeoutMs ?? TIMEOUT_MS,
        env: options.env ?? environment(),
      }).catch((error: unknown) => {
        throw away(`«${argv[0]}» could not be started`, error);
      });
      if (code !== 0) throw away(`«${argv[0]}» ended with code ${code} when asked to ${op}`);
      const answer = AnswerSchemas[op].safeParse(parse(stdout));
      if (!answer.success) throw away(`«${argv[0]}» gave no valid answer when asked to ${op}`);
      return answer.data as z.infer<(typeof AnswerSchemas)[O]>;
    });
  return {
    current: async () => (await ask("current", {})).keyId,
    wrap: async (dataKey, binding) => {
      const { keyId, ciphertext } = await ask("wrap", { plaintext: dataKey.toString("base64"), context: contextOf(binding) });
      return { keyId, wrapped: Buffer.from(ciphertext, "base64") };
    },
    unwrap: async ({ keyId, wrapped }, binding) => {
      const context = contextOf(binding);
      const ciphertext = wrapped.toString("base64");
      const place = JSON.stringify([keyId, ciphertext, context]);
      const kept = known.get(place);
      // A copy: whoever opens a value wipes its key.
      if (kept !== undefined) return Buffer.from(kept);
      const dataKey = Buffer.from((await ask("unwrap", { keyId, ciphertext, context })).plaintext, "base64");
      if (dataKey.length !== KEY_BYTES) throw away(`«${argv[0]}» unwrapped something that is no data key`);
      known.set(place, Buffer.from(dataKey));
      return dataKey;
    },
  };
}

/** What the program must bind the data key to, for a KMS that knows an encryption context. */
function contextOf({ tenantId, secretId, name, version }: SecretBinding): Record<string, string> {
  return { tenant: tenantId, secret: secretId, name, version: String(version) };
}

function away(what: string, cause?: unknown): AppError {
  return new AppError("secrets_unavailable", `The keys of secrets cannot be asked: ${what}. Try again in a moment.`, { cause, headers: { "retry-after": "2" } });
}

/** The program's own settings, without Berth's: it has no business with the database. */
function environment(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("BERTH_")));
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
