/**
 * `node api/rotate-secrets.ts`: seals anew what an older master key sealed, with the environment of the API. May be
 * broken off and started again, while Berth runs. `docs/secrets.md`.
 */
import { z } from "zod";
import { openDb } from "../core/db/client.ts";
import { resealSecrets } from "../core/db/system-queries/secrets.ts";
import { DatabaseEnv, readEnv } from "../core/env.ts";
import { openSecrets, SecretsEnv } from "../core/secrets/secrets.ts";

const env = readEnv(z.object({ ...DatabaseEnv, ...SecretsEnv }), process.env);
const secrets = openSecrets(env);
const { db, close } = openDb(env.BERTH_DATABASE_URL, { name: "berth-rotate", max: 2 });
try {
  const current = await secrets.currentKey();
  const { resealed, failed } = await resealSecrets(db, secrets, (count) => process.stdout.write(`${count} sealed with «${current}»\n`));
  process.stdout.write(`${resealed} values were sealed anew; all that can be opened are sealed with «${current}».\n`);
  for (const { secretId, version, reason } of failed) process.stderr.write(`${secretId} version ${version}: ${reason}\n`);
  if (failed.length > 0) process.exitCode = 1;
} finally {
  await close();
}
