/** `npm run autoscaler`: traffic of all shapes replayed against the autoscaler, as the table of `docs/decisions/autoscaler.md`. */
import { replayTable } from "../test/support/scale-replay.ts";

console.log(replayTable());
