/** Signing in: a browser goes to the provider and comes back, for itself or for the CLI that opened it. */
import { randomBytes } from "node:crypto";
import { AppError } from "../../core/contract/errors.ts";
import type { Id, TenantId } from "../../core/contract/ids.ts";
import type { Tx } from "../../core/db/client.ts";
import { writeAudit, type AuditActor } from "../../core/db/queries/audit.ts";
import { findByEmail, findByIdentity, insertIdentity, insertLogin, insertUser, lockPerson, takeLogin, updateUser, writeCode, type LoginRow } from "../../core/db/queries/logins.ts";
import { insertSession, membershipsOf, setSessionTenant, type SessionRow, type UserRow } from "../../core/db/queries/sessions.ts";
import { hashToken } from "../../core/tokens.ts";
import type { Deps } from "../deps.ts";
import { acceptInvite } from "../use-cases/invites.ts";
import { SESSION_TTL_MS } from "./jwt.ts";
import type { Person, Provider } from "./oidc.ts";

/** How long one may take at the provider's. */
export const LOGIN_TTL_MS = 10 * 60_000;
/** How long the CLI's code is good. */
const CODE_TTL_MS = 5 * 60_000;
const SECRET_BYTES = 32;

/** Random bits for one use, fit for a URL, a cookie, and as PKCE's verifier. */
export const newSecret = () => randomBytes(SECRET_BYTES).toString("base64url");

export interface LoginRequest {
  /** A path of ours. */
  returnTo: string;
  invite?: string | undefined;
  cli?: LoginRow["cli"];
}

export const redirectUri = (deps: Pick<Deps, "config">) => new URL("/auth/callback", deps.config.publicUrl);

/** Where the browser goes. `browser`: what its cookie holds. @throws AppError issuer_unavailable */
export async function beginLogin(deps: Deps, provider: Provider, request: LoginRequest, browser: string): Promise<URL> {
  const now = deps.clock();
  const checks = { state: newSecret(), nonce: newSecret(), verifier: newSecret() };
  const url = await provider.authorizationUrl(checks, redirectUri(deps));
  await insertLogin(deps.db, {
    stateHash: hashToken(checks.state),
    browserHash: hashToken(browser),
    nonce: checks.nonce,
    verifier: checks.verifier,
    returnTo: request.returnTo,
    inviteHash: request.invite === undefined ? null : hashToken(request.invite),
    cli: request.cli ?? null,
    createdAt: now,
    expiresAt: new Date(now.getTime() + LOGIN_TTL_MS),
  });
  return url;
}

export type LoginOutcome = { kind: "session"; session: SessionRow; renewal: string; returnTo: string } | { kind: "cli"; redirect: URL };

interface From {
  ip: string | null;
  requestId: string;
}

/** The browser is back. @throws AppError unauthenticated, forbidden, not_found (the invitation), issuer_unavailable */
export async function finishLogin(deps: Deps, provider: Provider, query: string, browser: string | undefined, from: From): Promise<LoginOutcome> {
  const callback = redirectUri(deps);
  callback.search = query;
  const state = callback.searchParams.get("state") ?? "";
  const now = deps.clock();
  const login = browser === undefined ? undefined : await takeLogin(deps.db, hashToken(state), hashToken(browser), now);
  if (login === undefined) throw new AppError("unauthenticated", "This sign-in was not begun in this browser, was used already, or took too long: begin again.");
  const person = await provider.redeem(callback, { state, nonce: login.nonce, verifier: login.verifier });
  return deps.db.transaction(async (tx) => {
    const user = await takePerson(tx, person, login.inviteHash !== null || deps.config.hasSignUp, { tokenId: login.id, ...from });
    const session = login.cli === null ? newSession(user, now, from) : undefined;
    const row = session && (await insertSession(tx, session.row));
    const who = { tokenId: row?.id ?? login.id, userId: user.id, tokenName: user.email, ...from };
    const joined = login.inviteHash === null ? undefined : await acceptInvite(tx, who, user, login.inviteHash, now);
    if (login.cli !== null) return { kind: "cli", redirect: await cliRedirect(tx, login, login.cli, user, now) };
    if (session === undefined || row === undefined) throw new Error("there is no session");
    await writeAudit(tx, { ...who, tenantId: null }, "session.create", row.id, { issuer: person.issuer });
    const tenantId = joined?.tenantId ?? (await onlyTenant(tx, user.id));
    if (tenantId !== null) await setSessionTenant(tx, row.id, tenantId);
    return { kind: "session", session: { ...row, tenantId }, renewal: session.renewal, returnTo: login.returnTo };
  });
}

function newSession(user: UserRow, now: Date, from: From) {
  const renewal = newSecret();
  return { renewal, row: { userId: user.id, hash: hashToken(renewal), csrf: newSecret(), ip: from.ip, createdAt: now, expiresAt: new Date(now.getTime() + SESSION_TTL_MS) } };
}

/** Whoever belongs to several chooses. */
async function onlyTenant(tx: Tx, userId: Id<"user">): Promise<TenantId | null> {
  const [first, second] = await membershipsOf(tx, userId);
  return first !== undefined && second === undefined ? first.tenantId : null;
}

async function cliRedirect(tx: Tx, login: LoginRow, cli: NonNullable<LoginRow["cli"]>, user: UserRow, now: Date): Promise<URL> {
  const code = newSecret();
  await writeCode(tx, login.id, hashToken(code), user.id, new Date(now.getTime() + CODE_TTL_MS));
  const redirect = new URL(cli.redirect);
  redirect.searchParams.set("code", code);
  redirect.searchParams.set("state", cli.state);
  return redirect;
}

/** Who signs in: known by the provider's subject, never by the address alone. @throws AppError forbidden */
async function takePerson(tx: Tx, person: Person, mayCome: boolean, by: From & { tokenId: Id<"login"> }): Promise<UserRow> {
  await lockPerson(tx, person);
  const known = await findByIdentity(tx, person);
  const user = known ?? (await newcomer(tx, person, mayCome));
  if (user.disabledAt !== null) throw new AppError("forbidden", `${user.email} was shut out by the operator.`);
  const now = await updateUser(tx, user, person);
  const who: AuditActor = { tenantId: null, userId: user.id, tokenName: now.email, ...by };
  if (known === undefined) await writeAudit(tx, who, "identity.add", user.id, { issuer: person.issuer }, { after: { email: now.email } });
  if (now.email !== user.email) await writeAudit(tx, who, "user.email", user.id, {}, { before: { email: user.email }, after: { email: now.email } });
  return now;
}

async function newcomer(tx: Tx, person: Person, mayCome: boolean): Promise<UserRow> {
  const found = await findByEmail(tx, person);
  if (found === undefined) {
    if (!mayCome) throw new AppError("forbidden", `${person.email} belongs to no tenant here: ask an owner of one for an invitation.`);
    const user = await insertUser(tx, person);
    await insertIdentity(tx, user.id, person);
    return user;
  }
  // Providers give addresses of people who left to others; moving to another provider keeps them.
  if (found.isKnownToIssuer) throw new AppError("forbidden", `${person.email} is another person's address here: ask the operator.`);
  await insertIdentity(tx, found.user.id, person);
  return found.user;
}
