/**
 * Starting a program copies the page tables of the process that starts it: with 200 MiB of memory that is 28 ms in which
 * nothing else happens (measured; 1 ms with 45 MiB). So a large process has a small one do it: `spawn-server.ts`.
 */
import { fileURLToPath } from "node:url";
import { start, useRunner, type LineOptions, type LineResult, type RunOptions, type Runner, type RunResult } from "./spawn.ts";

/** To the small process. */
export type SpawnRequest = { id: number; argv: readonly string[] } & ({ kind: "run"; options: RunOptions } | { kind: "line"; options: LineOptions });
/** From it; `ready` comes first. */
export type SpawnAnswer = { ready: true } | { id: number; result: RunResult | LineResult } | { id: number; error: { message: string; code?: string } };

interface Waiting {
  resolve: (result: never) => void;
  reject: (error: Error) => void;
}

/** From the moment that the small process is ready, and until it ends, it starts the programs of `run` and `runLine`. */
export function startSpawner(onEnd: (error: Error) => void): void {
  const waiting = new Map<number, Waiting>();
  let last = 0;
  const child = start([process.execPath, "--max-old-space-size=32", "--max-semi-space-size=1", fileURLToPath(new URL("spawn-server.ts", import.meta.url))], {
    stdio: ["ignore", "ignore", "inherit", "ipc"],
    serialization: "advanced",
    // What ends this process by its group ends that one by its channel, after its last answer.
    detached: true,
  });
  // It keeps this process alive while something waits for it, as a program of its own would, and not longer.
  const settle = (id: number) => {
    const one = waiting.get(id);
    if (waiting.delete(id) && waiting.size === 0) child.channel?.unref();
    return one;
  };
  const ask = <T>(request: SpawnRequest) =>
    new Promise<T>((resolve, reject) => {
      waiting.set(request.id, { resolve: resolve as Waiting["resolve"], reject });
      child.channel?.ref();
      child.send(request, (error) => {
        if (error) settle(request.id)?.reject(error);
      });
    });
  const runner: Runner = {
    run: (argv, options) => ask({ id: ++last, kind: "run", argv, options }),
    line: (argv, options) => ask({ id: ++last, kind: "line", argv, options }),
  };
  child.on("message", (answer: SpawnAnswer) => {
    if ("ready" in answer) return useRunner(runner);
    const one = settle(answer.id);
    if ("result" in answer) one?.resolve(answer.result as never);
    else one?.reject(Object.assign(new Error(answer.error.message), answer.error.code === undefined ? {} : { code: answer.error.code }));
  });
  const end = (error: Error) => {
    useRunner(undefined);
    for (const one of waiting.values()) one.reject(error);
    waiting.clear();
    onEnd(error);
  };
  child.once("error", end);
  child.once("exit", (code, signal) => end(new Error(`the process that starts programs ended with ${signal ?? code}`)));
  child.unref();
  child.channel?.unref();
}
