/** The rules around instances: loaded before the first process, so that a failure leaves nothing running unguarded. */
import { readFile, writeFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { firewallRules, type FirewallPolicy } from "./commands/firewall.ts";
import { run } from "./spawn.ts";

const LOAD_TRIES = 5;
const LOAD_PAUSE_MS = 100;

/** Replaces the rules in one step and lets the host forward packets. @throws CommandError */
export async function loadFirewall(policy: FirewallPolicy): Promise<void> {
  await loadRules(firewallRules(policy));
  await writeFile("/proc/sys/net/ipv4/ip_forward", "1");
}

/**
 * Loads rules in one transaction, all or nothing. nft reads the host's tables first and fails, or crashes (1.0.6), when
 * another program changes them meanwhile: tried again. @throws CommandError
 */
export async function loadRules(rules: string): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      await run(["nft", "-f", "-"], { input: rules });
      return;
    } catch (error) {
      if (attempt === LOAD_TRIES) throw error;
      await sleep(LOAD_PAUSE_MS * attempt);
    }
  }
}

/** The host's name servers that another network namespace can reach: not those on a loopback. IPv4. */
export async function hostResolvers(): Promise<string[]> {
  for (const path of ["/etc/resolv.conf", "/run/systemd/resolve/resolv.conf"]) {
    const text = await readFile(path, "utf8").catch(() => "");
    const found = [...text.matchAll(/^nameserver\s+(\d+\.\d+\.\d+\.\d+)\s*$/gm)].map((match) => match[1] ?? "");
    const outside = found.filter((address) => !address.startsWith("127."));
    if (outside.length > 0) return outside;
  }
  return [];
}
