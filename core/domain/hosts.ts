/** Host names of tenants' own: what may be one, how it is proved, how often it is looked at. Pure. */

const LABEL = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;
/** Names that lead to no host of the internet. Source: RFC 6761, RFC 8375 and RFC 9476. */
const SPECIAL = new Set(["localhost", "local", "internal", "invalid", "test", "example", "onion", "arpa", "alt"]);

export type HostVerdict = { host: string } | { problem: string };

/** `text` as a host that an app may have, lower case and in ASCII. `reserved`: hosts of the platform; what is below them is its own, too. */
export function readHost(text: string, reserved: readonly string[]): HostVerdict {
  const given = text.trim().replace(/\.$/, "");
  if (/[/:@?#%\\\s]/.test(given)) return { problem: "name a host alone, without scheme, port and path" };
  if (given.startsWith("*")) return { problem: "one host at a time: wildcards are not offered" };
  if (/^[\d.]+$/.test(given)) return { problem: "an address is no host name" };
  const host = URL.parse(`http://${given}`)?.hostname ?? "";
  const labels = host.split(".");
  if (host === "" || host.length > 253 || !labels.every((label) => LABEL.test(label))) return { problem: "labels have 1 to 63 letters, digits and hyphens, and start and end with no hyphen" };
  if (labels.length < 2) return { problem: "it has one label: a host of the internet has at least two" };
  if (SPECIAL.has(labels.at(-1) ?? "")) return { problem: `«.${labels.at(-1)}» is no part of the internet` };
  if (/^\d+$/.test(labels.at(-1) ?? "")) return { problem: "its last label is a number" };
  if (reserved.some((own) => host === own || host.endsWith(`.${own}`))) return { problem: "it belongs to the platform" };
  return { host };
}

/** Where the proof lies. */
export const proofName = (host: string) => `_berth.${host}`;
export const proofText = (challenge: string) => `berth-verify=${challenge}`;

/** TXT records as their texts: one record may come in several strings. */
export function holdsProof(records: readonly (readonly string[])[], challenge: string): boolean {
  return records.some((parts) => parts.join("").trim() === proofText(challenge));
}

const MINUTE_MS = 60_000;

/** How long to wait after a look before the next one; undefined: it is looked at only when somebody asks. DNS needs minutes to spread, rarely days. */
export function nextLookMs(ageMs: number): number | undefined {
  if (ageMs < 10 * MINUTE_MS) return 15_000;
  if (ageMs < 24 * 60 * MINUTE_MS) return 10 * MINUTE_MS;
  if (ageMs < 7 * 24 * 60 * MINUTE_MS) return 60 * MINUTE_MS;
  return undefined;
}
