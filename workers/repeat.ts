/** Does the work again and again, never two at a time; the function it gives back stops after the pass under way. `work` does not throw. */
export function repeat(everyMs: number, work: () => Promise<void>): () => Promise<void> {
  let pass: Promise<void> | undefined;
  const timer = setInterval(() => {
    pass ??= work().finally(() => (pass = undefined));
  }, everyMs);
  return async () => {
    clearInterval(timer);
    await pass;
  };
}
