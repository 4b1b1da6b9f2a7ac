/** `POST /v1/login/token`: the code that a browser brought to `berth login --web` becomes a personal token. */
import { createHash, timingSafeEqual } from "node:crypto";
import type { CliLogin, CliLoginAnswer } from "../../core/contract/access.ts";
import { AppError } from "../../core/contract/errors.ts";
import { dropCode, findCode } from "../../core/db/queries/logins.ts";
import { membershipsOf, type Membership } from "../../core/db/queries/sessions.ts";
import { SCOPES } from "../../core/domain/access.ts";
import { hashToken } from "../../core/tokens.ts";
import type { Deps } from "../deps.ts";
import { writeToken } from "../use-cases/tokens.ts";
import { foundTenant } from "./sessions.ts";

interface From {
  ip: string | null;
  requestId: string;
}

/** With several tenants and none named, `token` is null and the code stays good. @throws AppError unauthenticated, not_found, forbidden, quota_exceeded */
export async function giveCliToken(deps: Deps, input: CliLogin, from: From): Promise<CliLoginAnswer> {
  const now = deps.clock();
  return deps.db.transaction(async (tx) => {
    const found = await findCode(tx, hashToken(input.code), now);
    if (found === undefined || found.login.cli === null || !fits(input.verifier, found.login.cli.challenge)) {
      throw new AppError("unauthenticated", "This code was used already, has expired, or was not given to you: sign in again.");
    }
    const { login, user } = found;
    const who = { tokenId: login.id, userId: user.id, tokenName: user.email, ...from };
    const before = await membershipsOf(tx, user.id);
    const chosen = input.create && input.tenant !== undefined ? await foundTenant(tx, deps, user, input.tenant, who) : choose(before, input.tenant);
    const tenants = (input.create && chosen !== undefined ? [chosen] : before).map(({ tenantName, role }) => ({ name: tenantName, role }));
    const answer = { email: user.email, tenants, canCreateTenant: deps.config.hasSignUp && before.length === 0 && !input.create };
    if (chosen === undefined) return { ...answer, token: null };
    await dropCode(tx, login.id);
    const expiresAt = new Date(now.getTime() + input.expiresInSeconds * 1000);
    // With all scopes: what the person's role allows is looked at with each use.
    const wanted = { kind: "personal" as const, userId: user.id, name: input.tokenName, scopes: [...SCOPES], appId: null, expiresAt };
    return { ...answer, token: await writeToken(tx, { ...who, tenantId: chosen.tenantId }, wanted, now) };
  });
}

/** @throws AppError not_found, forbidden */
function choose(memberships: readonly Membership[], name: string | undefined): Membership | undefined {
  if (name === undefined) return memberships.length === 1 ? memberships[0] : undefined;
  const found = memberships.find(({ tenantName }) => tenantName === name);
  if (found === undefined) throw new AppError("not_found", `You are no member of a tenant «${name}».`);
  return found;
}

/** PKCE, S256. */
function fits(verifier: string, challenge: string): boolean {
  const sent = createHash("sha256").update(verifier).digest();
  const wanted = Buffer.from(challenge, "base64url");
  return sent.length === wanted.length && timingSafeEqual(sent, wanted);
}
