/**
 * The node's resolver, a process of its own: what instances send is read by somebody who has no rights on the host.
 * It ends with the agent that started it.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import { RESOLVER_UID } from "../../core/domain/id-ranges.ts";
import { openResolver } from "./server.ts";
import { NO_NAMES, type FromResolver, type ResolverTable, type ToResolver } from "./table.ts";
import { parseServer, Upstream } from "./upstream.ts";

const BIND_PAUSE_MS = 50;

const options = z.object({ address: z.ipv4(), port: z.coerce.number().int(), servers: z.string() }).parse(JSON.parse(process.argv[2] ?? "{}"));
let table: ResolverTable = NO_NAMES;
let news = Promise.withResolvers<void>();
let last = 0;
const waking = new Map<number, (addresses: readonly string[]) => void>();
const say = (message: FromResolver) => process.send?.(message, undefined, undefined, () => {});

process.on("disconnect", () => process.exit(0));
process.on("message", (message: ToResolver) => {
  if (message.type === "table") {
    table = message.table;
    news.resolve();
    news = Promise.withResolvers();
  } else {
    waking.get(message.id)?.(message.addresses);
    waking.delete(message.id);
  }
});
const upstream = new Upstream(options.servers.split(",").filter(Boolean).map(parseServer));
const open = () =>
  openResolver({
    address: options.address,
    port: options.port,
    table: () => table,
    nextTable: () => news.promise,
    upstream,
    wake: (tenantId, name) =>
      new Promise((resolve) => {
        waking.set(++last, resolve);
        say({ type: "wake", id: last, tenantId, name });
      }),
  });
for (;;) {
  try {
    await open();
    break;
  } catch (error) {
    // The former agent's is about to end.
    if ((error as NodeJS.ErrnoException).code !== "EADDRINUSE") throw error;
    await sleep(BIND_PAUSE_MS);
  }
}
process.chdir("/");
process.setgroups?.([]);
process.setgid?.(RESOLVER_UID);
process.setuid?.(RESOLVER_UID);
say({ type: "ready" });
