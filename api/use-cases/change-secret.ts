/** `PUT` and `DELETE` of `/v1/apps/{app}/secrets/{name}` and `/v1/secrets/{name}`. */
import { AppError } from "../../core/contract/errors.ts";
import type { AppId } from "../../core/contract/ids.ts";
import { BUILD_SECRET_MIN_CHARS, SECRET_MAX_BYTES, SECRETS_MAX_BYTES, wrongSecretName, type SecretChange, type SecretPut } from "../../core/contract/secrets.ts";
import type { Tx } from "../../core/db/client.ts";
import { writeAudit } from "../../core/db/queries/audit.ts";
import { findSecret, lockShared, nextVersion, removeSecret, sealedBytes, writeVersion, type SecretRow } from "../../core/db/queries/secrets.ts";
import { lockApp } from "../../core/db/system-queries/rollout.ts";
import type { Actor, Deps } from "../deps.ts";
import { toSecret } from "../views/secret.ts";
import { deploymentsIn, lockSharing, releaseTouched, ringReleased, type Released } from "./release-touched.ts";
import { requireApp, requireWholeTenant } from "./require.ts";

/** Where a secret is: in an app (its name or id), or shared by all of the tenant's (null). */
export interface SecretPlace {
  app: string | null;
  name: string;
}

/** @throws AppError not_found, invalid_config, invalid_name, quota_exceeded, secrets_unavailable */
export async function putSecret(deps: Deps, actor: Actor, place: SecretPlace, input: SecretPut): Promise<SecretChange> {
  const value = readValue(place.name, input);
  const { kind } = input;
  return change(deps, actor, place, async (tx, appId, now) => {
    const before = await findSecret(tx, actor.tenantId, appId, place.name);
    const next = await nextVersion(tx, actor.tenantId, appId, place.name, kind);
    const sealed = await deps.secrets.seal(value, { tenantId: actor.tenantId, secretId: next.secretId, name: place.name, version: next.number });
    const after = await writeVersion(tx, next, kind, sealed, now);
    if ((await sealedBytes(tx, actor.tenantId, appId)) > SECRETS_MAX_BYTES) {
      throw new AppError("invalid_config", `All secrets ${appId === null ? "that the tenant shares" : "of the app"} together have more than ${SECRETS_MAX_BYTES} bytes.`);
    }
    return { verb: "secret.set", before, after };
  });
}

/** @throws AppError not_found */
export async function deleteSecret(deps: Deps, actor: Actor, place: SecretPlace): Promise<SecretChange> {
  return change(deps, actor, place, async (tx, appId, now) => {
    const before = await removeSecret(tx, actor.tenantId, appId, place.name, now);
    if (before === undefined) throw new AppError("not_found", `There is no secret «${place.name}».`);
    return { verb: "secret.unset", before, after: undefined };
  });
}

type Write = (tx: Tx, appId: AppId | null, now: Date) => Promise<{ verb: string; before: SecretRow | undefined; after: SecretRow | undefined }>;

async function change(deps: Deps, actor: Actor, { app, name }: SecretPlace, write: Write): Promise<SecretChange> {
  const now = deps.clock();
  const { secret, released } = await deps.db.transaction(async (tx) => {
    const found = app === null ? null : await requireApp(tx, actor, app);
    if (found === null) {
      requireWholeTenant(actor);
      await lockShared(tx, actor.tenantId);
    } else await lockApp(tx, found.id);
    const touched = found === null ? await lockSharing(tx, actor) : [{ ...(await requireApp(tx, actor, found.id)), ownNames: [] }];
    const { verb, before, after } = await write(tx, found?.id ?? null, now);
    // What is for builds alone is no part of a release.
    const kinds = [before?.kind, after?.kind].filter((kind) => kind !== undefined && kind !== "build");
    const seen = touched.filter(({ env, ownNames }) => found !== null || !(ownNames.includes(name) || (name in env && !kinds.includes("file"))));
    const done = kinds.length === 0 ? NOTHING : await releaseTouched(tx, actor, seen, "secrets", now);
    const detail = { name, app: found?.name ?? null, ...deploymentsIn(done) };
    await writeAudit(tx, actor, verb, (after ?? before)?.id ?? "", detail, { ...(before && { before: shown(before) }), ...(after && { after: shown(after) }) });
    return { secret: after === undefined ? null : toSecret(after), released: done };
  });
  ringReleased(deps, released);
  return { secret, deployments: released.deployments };
}

const NOTHING: Released = { deployments: [], apps: [], ended: [] };

/** For the audit: never the value, nor its length. */
const shown = ({ kind, version }: SecretRow) => ({ kind, version });

/** @throws AppError invalid_name, invalid_config */
function readValue(name: string, { kind, value, encoding }: SecretPut): Buffer {
  const wrong = wrongSecretName(name, kind);
  if (wrong !== undefined) throw new AppError("invalid_name", wrong);
  // The value is in no message.
  const invalid = (message: string) => new AppError("invalid_config", `value: ${message}`, { fields: [{ path: "value", message }] });
  if (encoding === "base64" && !/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(value)) throw invalid("is no base64");
  const bytes = Buffer.from(value, encoding);
  const max = SECRET_MAX_BYTES[kind];
  if (bytes.length > max) throw invalid(`has ${bytes.length} bytes; ${max} are allowed for the kind «${kind}»`);
  if (kind === "env" && (bytes.includes(0) || !isText(bytes))) throw invalid("must be UTF-8 text without a NUL byte: use the kind «file» for other bytes");
  if (kind === "build" && bytes.length < BUILD_SECRET_MIN_CHARS) throw invalid(`has fewer than ${BUILD_SECRET_MIN_CHARS} characters: it could not be hidden in the log of a build`);
  return bytes;
}

function isText(bytes: Buffer): boolean {
  try {
    new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    return true;
  } catch {
    return false;
  }
}
