/** The JWT for the API: the node's own token goes to one place alone. */
import { NODE_TOKEN_PATH, NodeTokenSchema } from "../core/contract/node-channel.ts";

const TIMEOUT_MS = 5000;

/** @throws Error when the API gives none */
export async function fetchNodeToken(apiUrl: string, token: string): Promise<string> {
  const response = await fetch(new URL(NODE_TOKEN_PATH, apiUrl), { method: "POST", headers: { authorization: `Bearer ${token}` }, signal: AbortSignal.timeout(TIMEOUT_MS) });
  if (!response.ok) throw new Error(`the API gives no token: ${response.status}`);
  return NodeTokenSchema.parse(await response.json()).token;
}
