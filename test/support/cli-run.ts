/** Runs the CLI as a child process, with a home of its own. */
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { TOKEN, type FakeApi } from "./cli-fake-api.ts";
import { passedToCli } from "./env.ts";

export const BERTH = join(import.meta.dirname, "../../cli/berth");

export interface Ran {
  code: number | null;
  stdout: string;
  stderr: string;
}

export interface Workplace {
  home: string;
  env: NodeJS.ProcessEnv;
  /** Makes a directory with these files. */
  directory(name: string, files: Record<string, string>): string;
  run(args: readonly string[], more?: { cwd?: string; input?: string | Buffer; env?: NodeJS.ProcessEnv }): Promise<Ran>;
  remove(): void;
}

export function workplace(api?: FakeApi): Workplace {
  const home = mkdtempSync(join(tmpdir(), "berth-cli-"));
  const env: NodeJS.ProcessEnv = { ...passedToCli(), HOME: home, TERM: "xterm", ...(api === undefined ? {} : { BERTH_API: api.url, BERTH_TOKEN: TOKEN }) };
  return {
    home,
    env,
    directory(name, files) {
      const root = join(home, name);
      mkdirSync(root, { recursive: true });
      for (const [path, text] of Object.entries(files)) {
        mkdirSync(dirname(join(root, path)), { recursive: true });
        writeFileSync(join(root, path), text);
      }
      return root;
    },
    run: (args, more = {}) => runProgram([BERTH, ...args], { cwd: more.cwd ?? home, env: { ...env, ...more.env }, ...(more.input === undefined ? {} : { input: more.input }) }),
    remove: () => rmSync(home, { recursive: true, force: true }),
  };
}

export function runProgram(argv: readonly string[], options: { cwd: string; env: NodeJS.ProcessEnv; input?: string | Buffer; timeoutMs?: number }): Promise<Ran> {
  const [command = "", ...args] = argv;
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: options.cwd, env: options.env, stdio: "pipe" });
    const ran = { stdout: "", stderr: "" };
    child.stdout.setEncoding("utf8").on("data", (text: string) => (ran.stdout += text));
    child.stderr.setEncoding("utf8").on("data", (text: string) => (ran.stderr += text));
    child.stdin.on("error", () => {});
    child.stdin.end(options.input ?? "");
    const timer = setTimeout(() => child.kill("SIGKILL"), options.timeoutMs ?? 30_000);
    child.on("error", reject);
    child.on("close", (code) => {
      clearTimeout(timer);
      resolve({ code, ...ran });
    });
  });
}
