/** Free ports, and who holds one that is not free. */
import { randomInt } from "node:crypto";
import { createServer } from "node:net";
import { runUnchecked } from "../core/host/spawn.ts";

/** Below Linux's range for outgoing connections: one of those must not take the port before its server does, or while it is down. */
const LOWEST_PORT = 10_240;
const HIGHEST_PORT = 32_000;
const TRIES = 200;

/** A TCP port of this address that nothing listens on now. */
export async function freePort(host = "127.0.0.1"): Promise<number> {
  for (let tried = 0; tried < TRIES; tried++) {
    const port = randomInt(LOWEST_PORT, HIGHEST_PORT);
    if (await isFree(host, port)) return port;
  }
  throw new Error(`no free port of ${host} was found in ${TRIES} tries`);
}

/** Whether `host:port` can be listened on. */
export function isFree(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(true)));
  });
}

/** The program that listens on the port, like `nginx (pid 12)`, as far as it can be told. */
export async function holderOf(port: number): Promise<{ text: string; pid?: number }> {
  const { stdout } = await runUnchecked(["ss", "-Hltnp", `sport = :${port}`]).catch(() => ({ stdout: "" }));
  const found = /users:\(\("([^"]+)",pid=(\d+)/.exec(stdout);
  return found === null ? { text: "another program" } : { text: `${found[1]} (pid ${found[2]})`, pid: Number(found[2]) };
}
