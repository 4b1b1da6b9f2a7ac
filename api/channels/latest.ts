/** Work on the newest of several messages, one at a time: each carries the whole state, so older ones may be dropped. */

const RETRY_MS = 500;

/**
 * Gives a function that takes a message. While one is worked on, only the newest that came is kept. Work that
 * throws is tried again, with a newer message if one came, until `stopped` says so.
 */
export function latest<T>(work: (message: T) => Promise<void>, stopped: () => boolean, onError: (error: unknown) => void): (message: T) => void {
  let waiting: { message: T } | undefined;
  let busy = false;
  const run = async () => {
    busy = true;
    while (waiting !== undefined && !stopped()) {
      const current = waiting;
      waiting = undefined;
      try {
        await work(current.message);
      } catch (error) {
        onError(error);
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
        waiting ??= current;
      }
    }
    busy = false;
  };
  return (message) => {
    waiting = { message };
    if (!busy) void run();
  };
}
