/** What programs that a test starts get of its own environment, besides what it says. */
const PASSED = ["PATH", "BERTH_TEST_RUN", "NODE_OPTIONS", "NODE_COMPILE_CACHE"];

export function passedEnv(): Record<string, string> {
  return Object.fromEntries(PASSED.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]])));
}
