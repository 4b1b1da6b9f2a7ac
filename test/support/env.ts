const ALL = ["PATH", "BERTH_TEST_RUN", "NODE_OPTIONS", "NODE_COMPILE_CACHE"];

/** What programs that a test starts get of its own environment, besides what it says. */
export function passedEnv(names: readonly string[] = ALL): Record<string, string> {
  return Object.fromEntries(names.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]])));
}

/** The same for the CLI, which gets no more than from a person's shell. */
export const passedToCli = () => passedEnv(["PATH", "NODE_COMPILE_CACHE"]);
