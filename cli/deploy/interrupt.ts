/** Ctrl-C while a deployment is followed: the first asks, the second quits. */
import { EXIT } from "../errors.ts";
import type { Output } from "../output.ts";

export type Decision = "cancel" | "detach";

export interface Interrupts {
  /** Resolves when the user has decided; never when Ctrl-C is not pressed. */
  decision: Promise<Decision>;
  /** Ctrl-C is the system's again, and an open question is taken away. */
  close(): void;
}

/** Asks on a terminal; without one Ctrl-C detaches. */
export function listenForInterrupts(out: Output): Interrupts {
  const decided = Promise.withResolvers<Decision>();
  const question = new AbortController();
  let asked = false;
  const onInterrupt = () => {
    if (asked) quit(out);
    asked = true;
    if (!out.live || process.stdin.isTTY !== true) {
      decided.resolve("detach");
      return;
    }
    void ask(out, question.signal).then((answer) => {
      asked = false;
      if (answer === "quit") quit(out);
      else if (answer !== "watch") decided.resolve(answer);
    });
  };
  process.on("SIGINT", onInterrupt);
  return {
    decision: decided.promise,
    close() {
      process.off("SIGINT", onInterrupt);
      question.abort();
      out.resume();
    },
  };
}

function quit(out: Output): never {
  out.close();
  process.exit(EXIT.cancelled);
}

async function ask(out: Output, signal: AbortSignal): Promise<Decision | "watch" | "quit"> {
  out.pause();
  try {
    const { select } = await import("@inquirer/prompts");
    return await select(
      {
        message: "Cancel this deployment?",
        choices: [
          { name: "Cancel it", value: "cancel" as const },
          { name: "Leave it running and detach", value: "detach" as const },
          { name: "Go on watching", value: "watch" as const },
        ],
      },
      { signal, clearPromptOnDone: true },
    );
  } catch {
    // Ctrl-C at the question; or the deployment ended while it was open.
    return signal.aborted ? "watch" : "quit";
  } finally {
    out.resume();
  }
}
