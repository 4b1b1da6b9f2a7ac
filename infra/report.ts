/** Steps with their durations: a live list on a terminal, plain lines when piped. */
import { Listr } from "listr2";

export interface Step<C> {
  title: string;
  /** Calls `say` with what it does now. What it returns is shown beside the title. */
  run(context: C, say: (text: string) => void): Promise<string | void>;
  /** A reason to leave it out. */
  skip?(context: C): string | false;
}

/** Runs the steps in order. Throws what the first failing one threw. */
export async function runSteps<C extends object>(steps: readonly Step<C>[], context: C, out: NodeJS.WriteStream = process.stdout): Promise<void> {
  if (out.isTTY === true && process.env["CI"] === undefined) return runOnTerminal(steps, context);
  for (const step of steps) {
    const skipped = step.skip?.(context) ?? false;
    if (skipped !== false) {
      out.write(`- ${step.title} (left out: ${skipped})\n`);
      continue;
    }
    const startedAtMs = performance.now();
    try {
      const result = await step.run(context, () => {});
      out.write(`✔ ${title(step.title, result)} (${seconds(performance.now() - startedAtMs)})\n`);
    } catch (error) {
      out.write(`✖ ${step.title} (${seconds(performance.now() - startedAtMs)})\n`);
      throw error;
    }
  }
}

async function runOnTerminal<C extends object>(steps: readonly Step<C>[], context: C): Promise<void> {
  const list = new Listr<C>(
    steps.map((step) => ({
      title: step.title,
      skip: () => {
        const reason = step.skip?.(context) ?? false;
        return reason === false ? false : `${step.title} (left out: ${reason})`;
      },
      task: async (_, task) => {
        const startedAtMs = performance.now();
        const result = await step.run(context, (text) => (task.output = text));
        task.title = `${title(step.title, result)} (${seconds(performance.now() - startedAtMs)})`;
      },
    })),
    { rendererOptions: { collapseErrors: false, showErrorMessage: false }, ctx: context },
  );
  await list.run();
}

function title(text: string, result: string | void): string {
  return typeof result === "string" && result !== "" ? `${text}: ${result}` : text;
}

export function seconds(ms: number): string {
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
}
