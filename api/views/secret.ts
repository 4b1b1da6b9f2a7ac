/** A secret as the API shows it: all but its value. */
import type { Secret } from "../../core/contract/secrets.ts";
import type { SecretRow } from "../../core/db/queries/secrets.ts";

export function toSecret({ name, kind, version, appId, createdAt, updatedAt }: SecretRow): Secret {
  return { name, kind, version, shared: appId === null, createdAt: createdAt.toISOString(), updatedAt: updatedAt.toISOString() };
}
