/** Each call notes the time since the one before it, in ms, under its name. */
export function stopwatch(timings: Record<string, number>): (name: string) => void {
  let at = performance.now();
  return (name) => {
    const now = performance.now();
    timings[name] = Math.round((now - at) * 10) / 10;
    at = now;
  };
}
