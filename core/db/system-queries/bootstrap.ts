/** The first rows: tenants, their tokens, nodes and gateways. Idempotent, so that `infra/up` may run again. */
import { eq, ne, sql } from "drizzle-orm";
import { newId, type Id, type NodeId, type TenantId } from "../../contract/ids.ts";
import { TenantNameSchema } from "../../contract/names.ts";
import { SCOPES, type Scope } from "../../domain/access.ts";
import { createToken as newToken, hashToken } from "../../tokens.ts";
import type { Db } from "../client.ts";
import { writeSystemAudit } from "../queries/audit.ts";
import { gateways, nodes, tenants, tokens } from "../schema.ts";

/** The tenant of this name, made when there is none. Throws a ZodError when the name is not allowed. */
export async function ensureTenant(db: Db, name: string): Promise<{ id: TenantId; name: string; created: boolean }> {
  TenantNameSchema.parse(name);
  return db.transaction(async (tx) => {
    const id = newId("tenant");
    const made = await tx.insert(tenants).values({ id, name }).onConflictDoNothing().returning({ id: tenants.id });
    if (made.length > 0) {
      await writeSystemAudit(tx, id, "tenant.create", id, { name });
      return { id, name, created: true };
    }
    const [found] = await tx.select({ id: tenants.id }).from(tenants).where(sql`${tenants.name} = ${name}`);
    if (found === undefined) throw new Error(`tenant «${name}» came and went`);
    return { id: found.id, name, created: false };
  });
}

/** A new token of the tenant. `token` is shown once; only its hash is kept. */
export async function createToken(
  db: Db,
  tenantId: TenantId,
  options: { name: string; expiresAt?: Date; scopes?: readonly Scope[] },
): Promise<{ id: Id<"token">; token: string }> {
  const token = newToken();
  const id = newId("token");
  await db.transaction(async (tx) => {
    await tx.insert(tokens).values({ id, tenantId, name: options.name, scopes: [...(options.scopes ?? SCOPES)], hash: hashToken(token), expiresAt: options.expiresAt ?? null });
    await writeSystemAudit(tx, tenantId, "token.create", id, { name: options.name });
  });
  return { id, token };
}

/** The operator's token is this one. False when it was revoked, or has expired: then another one is needed. */
export async function ensureOperatorToken(db: Db, token: string): Promise<boolean> {
  const hash = hashToken(token);
  return db.transaction(async (tx) => {
    const id = newId("token");
    const made = await tx.insert(tokens).values({ id, tenantId: null, kind: "operator", name: "infra/up", scopes: [], hash }).onConflictDoNothing({ target: tokens.hash }).returning({ id: tokens.id });
    if (made.length > 0) {
      await writeSystemAudit(tx, null, "token.create", id, { name: "infra/up", kind: "operator" });
      return true;
    }
    const [found] = await tx.select({ revokedAt: tokens.revokedAt }).from(tokens).where(sql`${tokens.hash} = ${hash} and ${tokens.kind} = 'operator' and (${tokens.expiresAt} is null or ${tokens.expiresAt} > now())`);
    return found !== undefined && found.revokedAt === null;
  });
}

/** The node of this name, with this token from now on. */
export async function ensureNode(db: Db, name: string, token: string): Promise<NodeId> {
  const tokenHash = hashToken(token);
  return db.transaction(async (tx) => {
    const [changed] = await tx
      .insert(nodes)
      .values({ id: newId("node"), name, tokenHash })
      .onConflictDoUpdate({ target: nodes.name, set: { tokenHash }, setWhere: ne(nodes.tokenHash, tokenHash) })
      .returning({ id: nodes.id });
    if (changed !== undefined) {
      await writeSystemAudit(tx, null, "node.put", changed.id, { name });
      return changed.id;
    }
    const [row] = await tx.select({ id: nodes.id }).from(nodes).where(eq(nodes.name, name));
    if (row === undefined) throw new Error(`node «${name}» came and went`);
    return row.id;
  });
}

/** The gateway of this name, with this token from now on. */
export async function ensureGateway(db: Db, name: string, token: string): Promise<Id<"gateway">> {
  const tokenHash = hashToken(token);
  return db.transaction(async (tx) => {
    const [changed] = await tx
      .insert(gateways)
      .values({ id: newId("gateway"), name, tokenHash })
      .onConflictDoUpdate({ target: gateways.name, set: { tokenHash }, setWhere: ne(gateways.tokenHash, tokenHash) })
      .returning({ id: gateways.id });
    if (changed !== undefined) {
      await writeSystemAudit(tx, null, "gateway.put", changed.id, { name });
      return changed.id;
    }
    const [row] = await tx.select({ id: gateways.id }).from(gateways).where(eq(gateways.name, name));
    if (row === undefined) throw new Error(`gateway «${name}» came and went`);
    return row.id;
  });
}
