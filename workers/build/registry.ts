/** What builds need of the registry, over the database and blob store that this worker shares with the API. */
import type { BlobStore } from "../../core/blob-store/blob-store.ts";
import type { Db } from "../../core/db/client.ts";
import { loadImage } from "../../core/registry/image.ts";
import { buildToken, TOKEN_TTL_MS } from "../../core/registry/token.ts";
import type { BuildDeps } from "./run-build.ts";

/** Signed again well before it ends: an upload may have begun with it. */
const RENEW_AFTER_MS = TOKEN_TTL_MS / 4;

export function registryOf(db: Db, blobs: BlobStore): Pick<BuildDeps, "registryToken" | "loadImage"> {
  return {
    registryToken: (access) => {
      let token: Promise<string> | undefined;
      let madeAt = 0;
      return () => {
        if (token === undefined || performance.now() - madeAt > RENEW_AFTER_MS) {
          madeAt = performance.now();
          token = buildToken(db, access);
          token.catch(() => (token = undefined));
        }
        return token;
      };
    },
    loadImage: (repository, digest) => loadImage({ db, blobs }, repository, digest),
  };
}
