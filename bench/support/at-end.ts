/** What a benchmark takes down when it ends, also by a signal: the newest first, each once. */
const steps: (() => unknown)[] = [];
let ending: Promise<void> | undefined;

/** Gives a function that does it before the end. */
export function atEnd(step: () => unknown): () => Promise<void> {
  steps.push(step);
  return async () => {
    const at = steps.indexOf(step);
    if (at !== -1) steps.splice(at, 1);
    if (at !== -1) await step();
  };
}

export function endAll(): Promise<void> {
  return (ending ??= takeDown());
}

async function takeDown(): Promise<void> {
  for (let step = steps.pop(); step !== undefined; step = steps.pop()) {
    try {
      await step();
    } catch (error) {
      console.error(error);
    }
  }
}

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.once(signal, () => void endAll().finally(() => process.exit(1)));
}
