/** The API as a process of its own, as `infra/up` starts it. */
import { spawn, type ChildProcess } from "node:child_process";
import { createInterface } from "node:readline";
import { passedEnv } from "./env.ts";

const MAIN = new URL("../../api/main.ts", import.meta.url).pathname;

export interface ApiProcess {
  child: ChildProcess;
  port: number;
  ended: Promise<number | null>;
}

/** Resolves once it listens. Whoever starts it ends it. */
export async function startApiProcess(env: Record<string, string>): Promise<ApiProcess> {
  const child = spawn(process.execPath, [MAIN], { env: { ...passedEnv(), BERTH_API_LISTEN: "127.0.0.1:0", ...env }, stdio: ["ignore", "pipe", "inherit"] });
  const ended = new Promise<number | null>((resolve) => child.once("exit", resolve));
  for await (const line of createInterface({ input: child.stdout! })) {
    const { msg, port } = JSON.parse(line) as { msg: string; port: number };
    if (msg === "listening") {
      child.stdout!.resume();
      return { child, port, ended };
    }
  }
  throw new Error(`the API ended with ${await ended}`);
}
