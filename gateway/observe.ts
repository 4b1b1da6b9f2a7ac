/** Reads from HAProxy all that it has. */
import type { AdminSocket } from "./admin-socket.ts";
import { MAP_NAMES, type MapFiles } from "./commands/files.ts";
import { observe, parseStats, SHOW_STATS, type MapTexts } from "./commands/runtime.ts";
import type { SlotObserved } from "./plan.ts";

export async function observeHaproxy(admin: Pick<AdminSocket, "send">, files: MapFiles): Promise<Map<string, SlotObserved>> {
  const [stats = "", ...texts] = await Promise.all([SHOW_STATS, ...MAP_NAMES.map((name) => `show map ${files[name]}`)].map((line) => admin.send(line)));
  const maps = Object.fromEntries(MAP_NAMES.map((name, index) => [name, texts[index] ?? ""])) as MapTexts;
  return observe(parseStats(stats).servers, maps);
}
