/** `/v1/tokens`: listing, making and revoking. */
import type { NewToken, Token, TokenCreate } from "../../core/contract/access.ts";
import { AppError } from "../../core/contract/errors.ts";
import { parseId, type Id, type TenantId } from "../../core/contract/ids.ts";
import { actorText, writeAudit, type AuditActor } from "../../core/db/queries/audit.ts";
import { requireRoom } from "../../core/db/queries/quota.ts";
import { findToken, insertToken, listTokens as readTokens, lockToken, revokeToken as writeRevoked, type TokenFilter, type TokenRow } from "../../core/db/queries/token-changes.ts";
import type { Db, Tx } from "../../core/db/client.ts";
import { accessChanged } from "../access-changed.ts";
import type { Actor, Deps } from "../deps.ts";
import { shownToken, toToken } from "../views/access.ts";
import { expiryFrom, requireScopes } from "./give.ts";
import { cursorOf, pageOfRows, type Page, type PageRequest } from "./page.ts";
import { requireApp } from "./require.ts";

/** Whose tokens one sees: with `admin` all of the tenant, else one's own and the one that asks. */
function filterOf(actor: Actor): TokenFilter {
  return {
    ...(actor.scopes.has("admin") ? {} : { only: { userId: actor.userId, tokenId: actor.tokenId } }),
    ...(actor.appId === null ? {} : { appId: actor.appId }),
  };
}

export async function listTokens(deps: Deps, actor: Actor, page: PageRequest): Promise<Page<Token>> {
  const rows = await readTokens(deps.db, actor.tenantId, filterOf(actor), page.limit + 1, cursorOf("token", page), deps.clock());
  return pageOfRows(rows, page, ({ token }) => token.id, toToken);
}

/** @throws AppError not_found, also for one that one may not see */
export async function requireToken(db: Db | Tx, actor: Actor, text: string): Promise<TokenRow> {
  const id = parseId("token", text);
  const found = id === undefined ? undefined : await findToken(db, actor.tenantId, id);
  const { only, appId } = filterOf(actor);
  const isSeen = found !== undefined && (only === undefined || found.token.id === only.tokenId || (only.userId !== null && found.token.userId === only.userId));
  if (!isSeen || (appId !== undefined && found.token.appId !== appId)) throw new AppError("not_found", `${actor.tenantName} has no token «${text}».`);
  return found;
}

/** @throws AppError forbidden, not_found (the app), quota_exceeded */
export async function createToken(deps: Deps, actor: Actor, input: TokenCreate): Promise<NewToken> {
  if (input.kind === "deploy" && !actor.scopes.has("admin")) throw new AppError("forbidden", "A token for a machine needs the scope «admin»; a personal one is yours to make.");
  if (input.kind === "personal" && actor.userId === null) throw new AppError("forbidden", "A personal token is for a person: sign in, or make it with a personal token.");
  const now = deps.clock();
  const scopes = requireScopes(actor, input.scopes);
  const expiresAt = expiryFrom(actor, input.kind, input.expiresInSeconds, now);
  const userId = input.kind === "personal" ? actor.userId : null;
  return deps.db.transaction(async (tx) => {
    const appId = input.app === undefined ? actor.appId : (await requireApp(tx, actor, input.app)).id;
    return writeToken(tx, actor, { kind: input.kind, userId, name: input.name, scopes, appId, expiresAt }, now);
  });
}

type Wanted = Pick<TokenRow["token"], "kind" | "userId" | "name" | "scopes" | "appId" | "expiresAt">;

/** Writes it, with its audit row. @throws AppError quota_exceeded */
export async function writeToken(tx: Tx, actor: AuditActor & { tenantId: TenantId }, wanted: Wanted, now: Date): Promise<NewToken> {
  const { row, made } = await issueToken(tx, actor, wanted, now);
  await writeAudit(tx, actor, "token.create", made.id, {}, { after: shownToken(row) });
  return made;
}

/** The same without an audit row: whoever calls writes one of what it does. @throws AppError quota_exceeded */
export async function issueToken(tx: Tx, actor: AuditActor & { tenantId: TenantId }, wanted: Wanted, now: Date): Promise<{ row: TokenRow; made: NewToken }> {
  await requireRoom(tx, actor.tenantId, "tokens", 1);
  const { id, token } = await insertToken(tx, { ...wanted, tenantId: actor.tenantId, createdBy: actorText(actor), createdAt: now });
  const row = await findToken(tx, actor.tenantId, id);
  if (row === undefined) throw new Error("the token was not written");
  return { row, made: { ...toToken(row), token } };
}

/** It ends everywhere within a second, with whatever it has open. @throws AppError not_found */
export async function revokeToken(deps: Deps, actor: Actor, text: string): Promise<void> {
  const id: Id<"token"> = await deps.db.transaction(async (tx) => {
    const found = await requireToken(tx, actor, text);
    await lockToken(tx, found.token.id);
    if (await writeRevoked(tx, found.token.id, deps.clock())) await writeAudit(tx, actor, "token.revoke", found.token.id, {}, { before: shownToken(found) });
    return found.token.id;
  });
  accessChanged(deps, id);
}
