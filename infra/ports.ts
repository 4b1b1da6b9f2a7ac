/** Free ports, and who holds one that is not free. */
import { createServer } from "node:net";
import { runUnchecked } from "../core/host/spawn.ts";

/** A TCP port of this address that nothing listens on now. */
export function freePort(host = "127.0.0.1"): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, host, () => {
      const address = server.address();
      server.close(() => (address !== null && typeof address === "object" ? resolve(address.port) : reject(new Error("no port"))));
    });
  });
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
