/** Asking DNS for proofs, with a bound on time. */
import { Resolver } from "node:dns/promises";
import { z } from "zod";

const TIMEOUT_MS = 2000;
const TRIES = 2;

export const DnsEnv = {
  /** Name servers for proofs of domains, `address` or `address:port` between commas; without it those of the host. */
  BERTH_DNS_SERVERS: z
    .string()
    .default("")
    .transform((text) => text.split(",").map((part) => part.trim()).filter((part) => part !== "")),
};

/** All TXT records of a name: empty when there are none, undefined when nobody could tell. */
export type TxtLookup = (name: string) => Promise<string[][] | undefined>;

/** @throws TypeError for a server that is no address */
export function openTxtLookup(servers: readonly string[]): TxtLookup {
  const resolver = new Resolver({ timeout: TIMEOUT_MS, tries: TRIES });
  if (servers.length > 0) resolver.setServers([...servers]);
  return async (name) => {
    try {
      return await resolver.resolveTxt(name);
    } catch (error) {
      return ["ENODATA", "ENOTFOUND"].includes((error as NodeJS.ErrnoException).code ?? "") ? [] : undefined;
    }
  };
}
