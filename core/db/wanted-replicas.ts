/** How many instances a release should have, within a query. */
import { sql, type SQLWrapper } from "drizzle-orm";

/** `wantedReplicas` of `core/domain/scaling.ts` as SQL over a release's settings and what the app is scaled to. */
export function wantedSql(settings: SQLWrapper, scaledTo: SQLWrapper) {
  return sql<number | null>`case when ${settings} ? 'scaling'
    then least(greatest(coalesce(${scaledTo}, 1), (${settings}->'scaling'->>'min')::int), (${settings}->'scaling'->>'max')::int)
    else (${settings}->>'replicas')::int end`;
}
