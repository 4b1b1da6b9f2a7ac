/** `infra/catalogue/publish`: reads the environment, publishes the base images, ends. */
import { join } from "node:path";
import { z } from "zod";
import { openDb } from "../../core/db/client.ts";
import { sealSigningKeys } from "../../core/db/signing-keys.ts";
import { DatabaseEnv, readEnv } from "../../core/env.ts";
import { platformToken } from "../../core/registry/token.ts";
import { openSecrets, SecretsEnv } from "../../core/secrets/secrets.ts";
import { publishCatalogue } from "./publish.ts";

const Env = z.object({
  ...DatabaseEnv,
  ...SecretsEnv,
  BERTH_CACHE: z.string().startsWith("/").default("/var/cache/berth"),
  BERTH_API_URL: z.url().default("http://127.0.0.1:7070"),
});

const env = readEnv(Env, process.env);
const { db, close } = openDb(env.BERTH_DATABASE_URL, { name: "berth-catalogue", max: 2 });
sealSigningKeys(db, openSecrets(env));
try {
  await publishCatalogue({
    catalogueDir: join(env.BERTH_CACHE, "catalogue"),
    apiUrl: env.BERTH_API_URL,
    token: (repository) => platformToken(db, repository),
    say: (line) => process.stdout.write(`catalogue: ${line}\n`),
  });
} finally {
  await close();
}
