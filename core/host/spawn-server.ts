/** A process that starts programs for another one, which holds its channel: see `spawner.ts`. It ends when the channel does. */
import { runLine, runUnchecked } from "./spawn.ts";
import type { SpawnAnswer, SpawnRequest } from "./spawner.ts";

/** Who asked may have ended meanwhile: then nobody waits for the answer. */
const answer = (message: SpawnAnswer) => process.send?.(message, undefined, undefined, () => {});

process.on("message", (request: SpawnRequest) => {
  const { id, argv } = request;
  const running = request.kind === "run" ? runUnchecked(argv, request.options) : runLine(argv, request.options);
  running.then(
    (result) => answer({ id, result }),
    (error: NodeJS.ErrnoException) => answer({ id, error: { message: error.message, ...(error.code === undefined ? {} : { code: error.code }) } }),
  );
});
process.on("disconnect", () => process.exit(0));
answer({ ready: true });
