/** HAProxy's configuration as text. Pure: the same input gives the same text. */
import { join } from "node:path";
import type { SlotWanted } from "../plan.ts";
import { FAILURES, PAGES, toErrorFile, toHtml, toProblemText, type Page } from "./pages.ts";

export interface GatewayFiles {
  config: string;
  admin: string;
  /** The Runtime API for HAProxy's own Lua. */
  self: string;
  holdSocket: string;
  hosts: string;
  timeouts: string;
  pages: string;
  pidFile: string;
  log: string;
  mirror: string;
  counts: string;
}

export function filesOf(dataDir: string): GatewayFiles {
  const at = (name: string) => join(dataDir, name);
  return {
    config: at("haproxy.cfg"),
    admin: at("run/admin.sock"),
    self: at("run/self.sock"),
    holdSocket: at("run/hold.sock"),
    hosts: at("hosts.map"),
    timeouts: at("timeouts.map"),
    pages: at("pages"),
    pidFile: at("haproxy.pid"),
    log: at("haproxy.log"),
    mirror: at("mirror.ndjson"),
    counts: at("counts.json"),
  };
}

export interface ConfigOptions {
  files: GatewayFiles;
  luaFile: string;
  /** `address:port`. */
  listen: string;
  slotCount: number;
  /** Connections of clients; each may need a second one to an instance. */
  maxConnections: number;
  /** Requests that one app may have in the gateway: in flight, queued and held together. */
  maxPerApp: number;
  /** 0 lets HAProxy choose. */
  threads: number;
  /** User and group to become after the start; undefined stays. */
  user: string | undefined;
  /** How long Lua holds a request by itself while the controller is away. */
  aloneHoldMs: number;
  /** How long an old process may finish its connections after a reload. */
  hardStopMs: number;
  /** Of the API. */
  publicUrl: URL;
}

/** Used when an app's timeout is not in the map: never, unless the map was edited by hand. */
const DEFAULT_TIMEOUT_MS = 300_000;
const TUNNEL_TIMEOUT = "1h";
const WANTS_JSON = "{ req.hdr(accept) -m sub -i json } !{ req.hdr(accept) -m sub -i text/html }";

export function slotName(index: number): string {
  return `slot_${String(index).padStart(4, "0")}`;
}

/** All but the servers: a running HAProxy with the same skeleton needs no reload. */
export function buildSkeleton(options: ConfigOptions): string {
  return [globalSection(options), defaultsSection(options), frontendSection(options), slotDefaults(options)].join("\n");
}

export function buildConfig(options: ConfigOptions, slots: ReadonlyMap<string, SlotWanted>): string {
  const backends: string[] = [];
  for (let index = 1; index <= options.slotCount; index++) {
    const name = slotName(index);
    backends.push(`backend ${name} from slots`);
    for (const server of slots.get(name)?.servers ?? []) {
      if (server.state === "ready") backends.push(`  server ${server.name} ${server.address}:${server.port} maxconn ${server.maxconn}${server.asleep ? " weight 0" : ""}`);
    }
  }
  return `${buildSkeleton(options)}\n${backends.join("\n")}\n`;
}

export function buildHostsMap(slots: ReadonlyMap<string, SlotWanted>): string {
  return [...slots].flatMap(([slot, wanted]) => wanted.hosts.map((host) => `${host} ${slot}\n`)).join("");
}

export function buildTimeoutsMap(slots: ReadonlyMap<string, SlotWanted>): string {
  return [...slots].map(([slot, wanted]) => `${slot} ${wanted.timeoutMs}\n`).join("");
}

/** File name → content, for the directory `pages`. */
export function buildPages({ publicUrl }: Pick<ConfigOptions, "publicUrl">): Record<string, string> {
  const chosen = Object.values(PAGES).flatMap((it) => [[`${it.name}.html`, toHtml(it)], [`${it.name}.json`, toProblemText(it, publicUrl)]]);
  return Object.fromEntries([...chosen, ...FAILURES.map((it) => [`${it.name}.http`, toErrorFile(it)])]) as Record<string, string>;
}

function globalSection(o: ConfigOptions): string {
  return section("global", [
    `maxconn ${o.maxConnections}`,
    ...(o.threads === 0 ? [] : [`nbthread ${o.threads}`]),
    ...(o.user === undefined ? [] : [`user ${o.user}`, `group ${o.user}`]),
    `stats socket unix@${o.files.admin} mode 600 level admin expose-fd listeners`,
    `stats socket unix@${o.files.self}${o.user === undefined ? "" : ` user ${o.user}`} mode 600 level admin`,
    // The controller keeps one connection open for as long as it lives.
    "stats timeout 7d",
    `hard-stop-after ${o.hardStopMs}ms`,
    // For the Lua file, which takes no arguments.
    `setenv BERTH_HOLD_SOCKET ${o.files.holdSocket}`,
    `setenv BERTH_SELF_SOCKET ${o.files.self}`,
    `setenv BERTH_HOLD_ALONE_MS ${o.aloneHoldMs}`,
    `lua-load ${o.luaFile}`,
  ]);
}

function defaultsSection(o: ConfigOptions): string {
  return section("defaults base", [
    "mode http",
    "timeout connect 2s",
    "timeout client 1h",
    "timeout server 5m",
    "timeout queue 30s",
    "timeout http-request 10s",
    "timeout http-keep-alive 60s",
    `timeout tunnel ${TUNNEL_TIMEOUT}`,
    "timeout client-fin 30s",
    "timeout server-fin 30s",
    "option dontlognull",
    "option abortonclose",
    // Without it the kernel holds back each second event of a stream for 200 ms.
    "option http-no-delay",
    "option http-ignore-probes",
    "retries 3",
    "option redispatch 1",
    "retry-on conn-failure empty-response",
    ...FAILURES.map((it) => `errorfile ${it.status} ${join(o.files.pages, `${it.name}.http`)}`),
  ]);
}

function frontendSection(o: ConfigOptions): string {
  return section("frontend web from base", [
    `bind ${o.listen}`,
    "option disable-h2-upgrade",
    // After a reload a kept connection ends with its next answer, never under a request that is on its way.
    "option idle-close-on-response",
    // WSGI and CGI apps read «X_Forwarded_For» and «X-Forwarded-For» as the same variable.
    "option http-restrict-req-hdr-names delete",
    "unique-id-format %[uuid()]",
    "http-request deny deny_status 405 if { method CONNECT TRACE }",
    // Whole: a value with a comma in it is no two hosts. The map would read up to a NUL, and the app beyond it.
    "http-request deny deny_status 400 if { req.fhdr(host) -m found } !{ req.fhdr(host) -m reg -i ^[a-z0-9._:-]*$ }",
    `http-request set-var(txn.slot) req.fhdr(host),host_only,rtrim(.),map_str(${o.files.hosts})`,
    ...answers(o, PAGES.unknownHost, "!{ var(txn.slot) -m found }"),
    // What clients claim about the way here is not true until we say it.
    "http-request del-header x-forwarded -m beg",
    "http-request del-header forwarded",
    "http-request del-header x-real-ip",
    "http-request set-header x-forwarded-for %[src]",
    "http-request set-header x-forwarded-proto %[ssl_fc,iif(https,http)]",
    "http-request set-header x-forwarded-host %[req.fhdr(host)]",
    "http-request set-header x-request-id %[unique-id]",
    "http-request del-header upgrade unless { req.hdr(upgrade) -i websocket }",
    "http-request del-header http2-settings",
    // Nor may a client name headers of ours as ones that the next hop has to drop.
    "http-request del-header connection unless { req.hdr(upgrade) -m found }",
    "http-request set-header connection upgrade if { req.hdr(upgrade) -m found }",
    "http-request del-header keep-alive",
    // A request that may have been acted upon is not sent twice.
    "http-request disable-l7-retry unless { method GET HEAD OPTIONS }",
    "use_backend %[var(txn.slot)]",
  ]);
}

/** Rules of every app's backend, in one place: they cost nothing per backend. */
function slotDefaults(o: ConfigOptions): string {
  return section("defaults slots from base", [
    "balance leastconn",
    // In flight, queued and held: one app must not take every connection of the gateway.
    ...answers(o, PAGES.tooMany, `{ be_conn gt ${o.maxPerApp} }`),
    "http-request lua.hold unless { nbsrv gt 0 }",
    ...answers(o, PAGES.unknownHost, "{ var(txn.hold) -m str gone }"),
    ...answers(o, PAGES.tooMany, "{ var(txn.hold) -m str full }"),
    ...answers(o, PAGES.wakeTimeout, "{ var(txn.hold) -m str timeout }"),
    // Keeping a request for another try costs a fifth of all work here, and there is another server only from two on.
    "http-request disable-l7-retry unless { nbsrv gt 1 }",
    `http-request set-timeout server var(txn.slot),map_str_int(${o.files.timeouts},${DEFAULT_TIMEOUT_MS})`,
  ]);
}

/** The page where the condition holds, as JSON for those who asked for it. */
function answers(o: ConfigOptions, it: Page, condition: string): string[] {
  const file = (ending: string) => join(o.files.pages, `${it.name}.${ending}`);
  const headers = ["hdr cache-control no-store", "hdr x-request-id %[unique-id]", ...(it.retryAfterS === undefined ? [] : [`hdr retry-after ${it.retryAfterS}`])].join(" ");
  const answer = (type: string, ending: string) => `http-request return status ${it.status} content-type "${type}" file ${file(ending)} ${headers} if ${condition}`;
  return [`${answer("application/problem+json", "json")} ${WANTS_JSON}`, answer("text/html; charset=utf-8", "html")];
}

function section(head: string, lines: readonly string[]): string {
  return `${head}\n${lines.map((line) => `  ${line}\n`).join("")}`;
}
