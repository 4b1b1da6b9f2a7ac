/** Sign-ins under way, and the people who come of them. */
import { and, desc, eq, gt, isNull, ne, sql } from "drizzle-orm";
import { newId, type Id } from "../../contract/ids.ts";
import type { Db, Tx } from "../client.ts";
import { identities, logins, users } from "../schema.ts";
import type { UserRow } from "./sessions.ts";

export type LoginRow = typeof logins.$inferSelect;

export async function insertLogin(db: Db, row: Omit<typeof logins.$inferInsert, "id">): Promise<void> {
  await db.insert(logins).values({ ...row, id: newId("login") });
}

/** The sign-in that this answer belongs to: taken once, by the browser that began it. */
export async function takeLogin(db: Db, stateHash: string, browserHash: string, now: Date): Promise<LoginRow | undefined> {
  const [row] = await db
    .update(logins)
    .set({ answeredAt: now })
    .where(and(eq(logins.stateHash, stateHash), eq(logins.browserHash, browserHash), isNull(logins.answeredAt), gt(logins.expiresAt, now)))
    .returning();
  return row;
}

/** For the CLI: whoever shows the code signs in as this person. */
export async function writeCode(tx: Tx, id: Id<"login">, codeHash: string, userId: Id<"user">, expiresAt: Date): Promise<void> {
  await tx.update(logins).set({ codeHash, userId, expiresAt }).where(eq(logins.id, id));
}

/** The sign-in with this code, locked: a code is used once. */
export async function findCode(tx: Tx, codeHash: string, now: Date): Promise<{ login: LoginRow; user: UserRow } | undefined> {
  const [row] = await tx
    .select({ login: logins, user: users })
    .from(logins)
    .innerJoin(users, and(eq(users.id, logins.userId), isNull(users.disabledAt)))
    .where(and(eq(logins.codeHash, codeHash), gt(logins.expiresAt, now)))
    .for("update", { of: logins });
  return row;
}

export async function dropCode(tx: Tx, id: Id<"login">): Promise<void> {
  await tx.update(logins).set({ codeHash: null }).where(eq(logins.id, id));
}

export interface NewPerson {
  issuer: string;
  subject: string;
  email: string;
  name: string;
}

/** One sign-in of an address after the other, so that two first ones make one person. */
export async function lockPerson(tx: Tx, { issuer, email }: NewPerson): Promise<void> {
  await tx.execute(sql`select pg_advisory_xact_lock(hashtextextended(${`person:${issuer} ${email}`}, 0))`);
}

export async function findByIdentity(tx: Tx, { issuer, subject }: NewPerson): Promise<UserRow | undefined> {
  const [row] = await tx.select({ user: users }).from(identities).innerJoin(users, eq(users.id, identities.userId)).where(and(eq(identities.issuer, issuer), eq(identities.subject, subject)));
  return row?.user;
}

/** The person of this address, and whether the issuer knows them already: by another subject, then. */
export async function findByEmail(tx: Tx, { issuer, email }: NewPerson): Promise<{ user: UserRow; isKnownToIssuer: boolean } | undefined> {
  const [row] = await tx
    .select({ user: users, issuer: identities.issuer })
    .from(users)
    .leftJoin(identities, and(eq(identities.userId, users.id), eq(identities.issuer, issuer)))
    .where(eq(users.email, email))
    .orderBy(desc(identities.createdAt))
    .limit(1);
  return row && { user: row.user, isKnownToIssuer: row.issuer !== null };
}

export async function insertIdentity(tx: Tx, userId: Id<"user">, { issuer, subject }: NewPerson): Promise<void> {
  await tx.insert(identities).values({ issuer, subject, userId });
}

export async function insertUser(tx: Tx, { email, name }: NewPerson): Promise<UserRow> {
  const [made] = await tx.insert(users).values({ id: newId("user"), email, name }).returning();
  if (made === undefined) throw new Error("the person was not written");
  return made;
}

/** What the issuer says of the person now; an address that is somebody else's here is not taken over. */
export async function updateUser(tx: Tx, user: UserRow, { email, name }: NewPerson): Promise<UserRow> {
  if (user.email === email && user.name === name) return user;
  const isFree = (await tx.$count(users, and(eq(users.email, email), ne(users.id, user.id)))) === 0;
  const [row] = await tx.update(users).set({ name, ...(isFree ? { email } : {}) }).where(eq(users.id, user.id)).returning();
  return row ?? user;
}
