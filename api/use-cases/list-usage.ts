/** `GET /v1/usage`: the ledger, by app and hour, day or month. */
import { AppError } from "../../core/contract/errors.ts";
import { parseId } from "../../core/contract/ids.ts";
import type { UsageItem, UsageStep } from "../../core/contract/usage.ts";
import { findApp } from "../../core/db/queries/apps.ts";
import { hasUsage, readUsage, type UsagePlace, type UsageRange } from "../../core/db/queries/usage.ts";
import { hourOf } from "../../core/domain/usage.ts";
import type { Actor, Deps } from "../deps.ts";

export interface UsageQuery {
  since?: string | undefined;
  until?: string | undefined;
  by: UsageStep;
  app?: string | undefined;
  limit: number;
  cursor?: string | undefined;
}

/** Without a span, the present month. @throws AppError not_found, invalid_request */
export async function listUsage(deps: Deps, actor: Actor, query: UsageQuery): Promise<{ items: UsageItem[]; nextCursor: string | null }> {
  const now = deps.clock();
  const since = query.since === undefined ? new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth())) : new Date(hourOf(Date.parse(query.since)));
  const until = query.until === undefined ? now : new Date(query.until);
  if (since >= until) throw new AppError("invalid_request", "until: must be after «since».", { fields: [{ path: "until", message: "must be after «since»" }] });
  const after = query.cursor === undefined ? undefined : parseCursor(query.cursor);
  const range: UsageRange = { since, until, step: query.by, ...(await chooseApp(deps, actor, query.app)) };
  const rows = await readUsage(deps.db, actor.tenantId, range, query.limit + 1, after);
  const items = rows.slice(0, query.limit);
  const last = items.at(-1);
  return { items, nextCursor: rows.length > query.limit && last !== undefined ? toCursor(last) : null };
}

/** An app that was destroyed can be named, too. A token of one app sees that app. */
async function chooseApp({ db }: Deps, actor: Actor, nameOrId: string | undefined): Promise<Pick<UsageRange, "appId" | "appName">> {
  const own = actor.appId === null ? {} : { appId: actor.appId };
  if (nameOrId === undefined) return own;
  const id = parseId("app", nameOrId);
  if (id !== undefined) return actor.appId === null || actor.appId === id ? { appId: id } : { ...own, appName: "" };
  const isKnown = (await findApp(db, actor.tenantId, nameOrId)) !== undefined || (await hasUsage(db, actor.tenantId, nameOrId));
  if (!isKnown) throw new AppError("not_found", `${actor.tenantName} has no app «${nameOrId}», and never had.`);
  return { ...own, appName: nameOrId };
}

function toCursor({ from, app }: UsageItem): string {
  return Buffer.from(`${from} ${app?.id ?? ""}`).toString("base64url");
}

function parseCursor(text: string): UsagePlace {
  const [from = "", appId = ""] = Buffer.from(text, "base64url").toString().split(" ");
  const at = new Date(from);
  if (Number.isNaN(at.getTime()) || (appId !== "" && parseId("app", appId) === undefined)) throw new AppError("invalid_request", "cursor: take it from `nextCursor` of the page before.");
  return { from: at, appId };
}
