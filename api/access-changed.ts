/** After a change of what opens doors: this process knows at once, the others hear the bell, or ask again within a second. */
import { forgetSessions } from "../core/db/queries/sessions.ts";
import { forgetTokens } from "../core/db/queries/tokens.ts";
import type { Deps } from "./deps.ts";

/** `id`: of the token, session, person, tenant or plan. After the transaction. */
export function accessChanged(deps: Pick<Deps, "db" | "bells">, id: string): void {
  forgetTokens(deps.db);
  forgetSessions(deps.db);
  deps.bells.ring("token", id);
}
