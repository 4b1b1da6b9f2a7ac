/** What a node shows at its channel: a JWT of some minutes, which it gets for its own token. That one opens nothing else. */
import { parseId, type NodeId } from "../core/contract/ids.ts";
import { signJwt, verifyJwt } from "../core/db/signing-keys.ts";
import type { Deps } from "./deps.ts";

export const NODE_JWT_TTL_MS = 5 * 60_000;
const KIND = { audience: "berth-node", typ: "berth-node+jwt" };

export function signNodeToken({ db, clock }: Pick<Deps, "db" | "clock">, nodeId: NodeId): Promise<string> {
  return signJwt(db, KIND, { sub: nodeId }, clock(), NODE_JWT_TTL_MS);
}

/** Undefined for any other text, and for one that has expired. */
export async function verifyNodeToken({ db, clock }: Pick<Deps, "db" | "clock">, jwt: string): Promise<NodeId | undefined> {
  const payload = await verifyJwt(db, KIND, jwt, clock());
  return payload === undefined || payload === "expired" ? undefined : parseId("node", payload.sub ?? "");
}
