/**
 * Bells: Redis pub/sub channels whose messages say «look again» and carry an id at most. A bell that is
 * lost costs time, never truth: every listener also looks by a timer.
 */
export const BELLS = {
  /** An app's instances, target or settings changed (message: app id). Heard by workers/reconcile. */
  reconcile: "bell:reconcile",
  /** A node's desired state changed (message: node id). Heard by the API process that holds its channel. */
  node: "bell:node",
  /** An app's route may have changed (message: app id). Heard by API processes that hold gateway channels. */
  route: "bell:route",
  /** A build was asked to stop (message: build id). Heard by workers/build. */
  buildCancel: "bell:build-cancel",
  /** A deployment changed (message: deployment id). Heard by API processes that stream its events. */
  deployment: "bell:deployment",
  /** A run changed (message: run id). Heard by API processes that follow it. */
  run: "bell:run",
  /** A token was revoked, a session ended, a role, a plan or a suspension changed (message: id of the one that changed). Heard by API processes, which look again at whoever is there. */
  token: "bell:token",
} as const;
export type Bell = keyof typeof BELLS;

/** BullMQ queue of builds: job name `build`. A job is a bell: whoever takes it looks into the database for the build that is next. */
export const BUILD_QUEUE = "builds";
/** BullMQ's `prefix` for its keys, the same in the API and in workers. */
export const buildQueuePrefix = (redisPrefix: string) => `${redisPrefix}bull`;
