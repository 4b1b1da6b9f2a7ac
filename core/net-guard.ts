/**
 * Fetching what a tenant named: an issuer's keys, a hook. Only addresses of the internet are reached, unless the
 * operator opens a range. A name is resolved once for each connection, and the connection goes to the address that was
 * checked: a name that answers otherwise the second time gains nothing. Redirects, bytes and time are bounded.
 */
import { lookup as systemLookup } from "node:dns/promises";
import { isIP, type LookupFunction } from "node:net";
import { callbackify } from "node:util";
import ipaddr from "ipaddr.js";
import { Agent, buildConnector, fetch as send } from "undici";
import { z } from "zod";

type Range = [ipaddr.IPv4 | ipaddr.IPv6, number];

/** Ranges such as `10.1.0.0/16` or `fd00:1::/32`, between commas. */
const RangesSchema = z.string().default("").transform((text, context): Range[] =>
  text.split(",").map((part) => part.trim()).filter((part) => part !== "").flatMap((part) => {
    const cidr = part.includes("/") ? part : `${part}/${part.includes(":") ? 128 : 32}`;
    if (ipaddr.isValidCIDR(cidr)) return [ipaddr.parseCIDR(cidr)];
    context.addIssue(`«${part}» is no range of addresses such as 10.1.0.0/16`);
    return [];
  }),
);

export const NetGuardEnv = {
  /** Private ranges where a URL that a tenant names may lead. */
  BERTH_FETCH_ALLOW_CIDRS: RangesSchema,
};

/** What IPv6 has given to the internet so far; what is outside is local, mapped or not in use. */
const GLOBAL_IPV6 = ipaddr.parseCIDR("2000::/3") as [ipaddr.IPv6, number];

/**
 * Whether an address is one of the internet, or in a range that the operator allows. Private, shared, loopback,
 * link-local (where clouds keep their metadata), unique local, multicast and reserved ones are not, nor is an IPv6 address
 * that stands for an IPv4 one. Pure.
 */
export function isReachable(address: string, allow: readonly Range[] = []): boolean {
  if (isIP(address) === 0) return false;
  const parsed = ipaddr.process(address.replace(/%.*$/, ""));
  if (allow.some(([network, bits]) => network.kind() === parsed.kind() && parsed.match(network, bits))) return true;
  if (parsed.range() !== "unicast") return false;
  return parsed.kind() === "ipv4" || parsed.match(GLOBAL_IPV6);
}

/** Why nothing was fetched. The text may be shown to a tenant: it tells nothing of what a name leads to. */
export class FetchRefused extends Error {
  override readonly name = "FetchRefused";
}

export interface NetGuardOptions {
  allow?: readonly Range[];
  /** Of one answer, after it was unpacked. */
  maxBytes?: number;
  maxRedirects?: number;
  /** From the call to the last byte, redirects included. */
  timeoutMs?: number;
  /** All addresses of a name. Tests have their own. */
  resolve?: (name: string) => Promise<{ address: string; family: number }[]>;
}

export interface NetGuard {
  /**
   * As the global one, with the whole answer read. Follows redirects of GET and HEAD unless `redirect` says otherwise.
   * @throws FetchRefused
   */
  fetch(url: string | URL, init?: RequestInit): Promise<Response>;
  close(): Promise<void>;
}

const MAX_BYTES = 1 << 20;
const MAX_REDIRECTS = 3;
const TIMEOUT_MS = 5000;
const HEADERS_MAX_BYTES = 32_768;
const REDIRECTS = new Set([301, 302, 303, 307, 308]);
const NO_BODY = new Set([204, 205, 304]);

export function openNetGuard(options: NetGuardOptions = {}): NetGuard {
  const { maxBytes = MAX_BYTES, maxRedirects = MAX_REDIRECTS, timeoutMs = TIMEOUT_MS } = options;
  const agent = guardedAgent(options, timeoutMs);

  async function follow(start: URL, init: RequestInit, signal: AbortSignal): Promise<Response> {
    const headers = new Headers(init.headers);
    const follows = (init.redirect ?? "follow") === "follow" && ["GET", "HEAD"].includes((init.method ?? "GET").toUpperCase());
    let url = start;
    for (let redirects = 0; ; redirects++) {
      const answer = await send(url, { method: init.method ?? "GET", headers: [...headers], body: (init.body ?? null) as string | null, redirect: "manual", dispatcher: agent, signal });
      const location = REDIRECTS.has(answer.status) ? answer.headers.get("location") : null;
      if (location === null || init.redirect === "manual") return await whole(answer, maxBytes);
      await answer.body?.cancel();
      if (!follows) throw new FetchRefused(`${url.host} answers with a redirect, which is not followed here`);
      if (redirects === maxRedirects) throw new FetchRefused(`${start.host} redirects more than ${maxRedirects} times`);
      const next = readUrl(location, url);
      if (url.protocol === "https:" && next.protocol !== "https:") throw new FetchRefused(`${url.host} redirects from https to http`);
      // Credentials are for the one that they were given for.
      if (next.origin !== url.origin) for (const name of ["authorization", "cookie", "proxy-authorization"]) headers.delete(name);
      url = next;
    }
  }

  return {
    fetch: async (input, init = {}) => {
      const url = readUrl(input);
      const deadline = AbortSignal.timeout(timeoutMs);
      const done = new AbortController();
      const signal = AbortSignal.any([deadline, done.signal, ...(init.signal ? [init.signal] : [])]);
      try {
        return await follow(url, init, signal);
      } catch (error) {
        if (init.signal?.aborted === true) throw init.signal.reason;
        throw refusalOf(error, url, deadline.aborted ? timeoutMs : undefined);
      } finally {
        // What is left of an answer that was refused ends with its connection.
        done.abort();
      }
    },
    close: () => agent.destroy(),
  };
}

/** Connects to nothing that was not checked: every connection comes through here, of redirects too. */
function guardedAgent({ allow = [], resolve = resolveAll }: NetGuardOptions, timeoutMs: number): Agent {
  const checked = async (name: string) => {
    const good = (await resolve(name)).filter(({ address }) => isReachable(address, allow));
    if (good.length === 0) throw notReachable(name);
    return good;
  };
  const lookupAll = callbackify(checked);
  const lookup: LookupFunction = (name, { all }, callback) => {
    lookupAll(name, (error, good) => {
      const [first] = good ?? [];
      if (error !== null || first === undefined) callback(error ?? notReachable(name), "");
      else if (all === true) callback(null, good);
      else callback(null, first.address, first.family);
    });
  };
  const connect = buildConnector({ lookup, timeout: timeoutMs, allowH2: false } as Parameters<typeof buildConnector>[0]);
  return new Agent({
    connect: (target, callback) => {
      // A name that is an address is never looked up.
      const literal = target.hostname.replace(/^\[|\]$/g, "");
      if (isIP(literal) !== 0 && !isReachable(literal, allow)) callback(notReachable(literal), null);
      else connect(target, callback);
    },
    maxHeaderSize: HEADERS_MAX_BYTES,
    headersTimeout: timeoutMs,
    bodyTimeout: timeoutMs,
    keepAliveTimeout: 1000,
  });
}

const resolveAll = (name: string) => systemLookup(name, { all: true });
const notReachable = (name: string) => new FetchRefused(`${name} cannot be reached from here`);

/** @throws FetchRefused */
function readUrl(input: string | URL, base?: URL): URL {
  // Of an address in any notation (decimal, octal, hexadecimal, short) this makes the usual one.
  const url = URL.parse(String(input), base?.href);
  if (url === null) throw new FetchRefused("that is no URL");
  if (url.protocol !== "https:" && url.protocol !== "http:") throw new FetchRefused("only http and https are fetched");
  if (url.username !== "" || url.password !== "") throw new FetchRefused("a URL with a user name is not fetched");
  return url;
}

async function whole(answer: Awaited<ReturnType<typeof send>>, maxBytes: number): Promise<Response> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  const reader = answer.body?.getReader();
  for (;;) {
    const { done, value } = (await reader?.read()) ?? { done: true };
    if (done || value === undefined) break;
    // What a compressed answer unpacks to counts.
    bytes += (value as Uint8Array).length;
    if (bytes > maxBytes) throw new FetchRefused(`the answer has more than ${maxBytes} bytes`);
    chunks.push(value as Uint8Array);
  }
  const headers = new Headers([...answer.headers].filter(([name]) => !["content-encoding", "content-length", "transfer-encoding"].includes(name)));
  return new Response(NO_BODY.has(answer.status) ? null : Buffer.concat(chunks), { status: answer.status, headers });
}

/** A name that does not exist, one that leads inside and a port that is closed are told alike: nobody maps a network with this. */
function refusalOf(error: unknown, url: URL, lateAfterMs: number | undefined): FetchRefused {
  for (let at = error, depth = 0; at instanceof Error && depth < 4; at = at.cause, depth++) {
    if (at instanceof FetchRefused) return at;
  }
  if (lateAfterMs !== undefined) return new FetchRefused(`${url.host} did not answer within ${lateAfterMs} ms`, { cause: error });
  return new FetchRefused(`${url.hostname.replace(/^\[|\]$/g, "")} cannot be reached from here`, { cause: error });
}
