/**
 * Silence of nodes that says nothing about them: while the API or the database was away, nobody was heard. Who speaks
 * first after that finds all others silent, and what they run must not be taken for lost. Pure.
 */
import { NODE_LOST_AFTER_MS } from "./rollout-instances.ts";

export interface Heard {
  /** When it last spoke; null: never. */
  lastSeenAt: number | null;
  /** Its last silence that was long enough to be lost by: from when it was heard until it was heard again. */
  silence: { from: number; until: number } | null;
}

/** When each would have last spoken, had all been listened to all the time. A silence that all share who speak now was nobody's own. */
export function lastSeen(nodes: readonly Heard[], now: number): (number | null)[] {
  const speaking = nodes.filter(({ lastSeenAt }) => lastSeenAt !== null && now - lastSeenAt <= NODE_LOST_AFTER_MS);
  const silences = speaking.map(({ silence }) => silence);
  const shared = silences.filter((one) => one !== null);
  if (speaking.length === 0 || shared.length < silences.length) return nodes.map(({ lastSeenAt }) => lastSeenAt);
  const from = Math.max(...shared.map((one) => one.from));
  const until = Math.min(...shared.map((one) => one.until));
  return nodes.map(({ lastSeenAt: at }) => (at === null ? null : at + Math.max(0, until - Math.max(at, from))));
}
