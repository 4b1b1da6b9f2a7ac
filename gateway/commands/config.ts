/** HAProxy's configuration as text. Pure: the same input gives the same text. */
import { join } from "node:path";
import type { SlotWanted } from "../plan.ts";
import { featureDefaults, featureSections, USE_SERVER, WHOLE_HOST } from "./features.ts";
import type { GatewayFiles } from "./files.ts";
import { protocolOf } from "./runtime.ts";
import { FAILURES, PAGES, toErrorFile, toHtml, toLuaTable, toProblemText } from "./pages.ts";

export interface ConfigOptions {
  files: GatewayFiles;
  luaDir: string;
  /** `address:port`. */
  listen: string;
  /** A second listener, with the certificates of a directory. */
  tls?: { listen: string; certificates: string; /** Requests without TLS are sent there. */ isForced: boolean } | undefined;
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
const HOST = "^[a-z0-9._:-]*$";

const TEXTS_FILE = "texts.lua";
/** One state for all: what the first defines, the others use. */
const LUA_FILES = ["answers.lua", "upgrade.lua", "split.lua", "hold.lua", "features.lua"];

export function slotName(index: number): string {
  return `slot_${String(index).padStart(4, "0")}`;
}

/** All but the servers: a running HAProxy with the same skeleton needs no reload. */
export function buildSkeleton(options: ConfigOptions): string {
  return [globalSection(options), defaultsSection(options), ...frontends(options), unknownSection(options), ...featureSections(options).map(({ head, lines }) => section(head, lines)), slotDefaults(options)].join("\n");
}

export function buildConfig(options: ConfigOptions, slots: ReadonlyMap<string, SlotWanted>): string {
  const backends: string[] = [];
  for (let index = 1; index <= options.slotCount; index++) {
    const name = slotName(index);
    backends.push(`backend ${name} from slots`, USE_SERVER);
    for (const server of slots.get(name)?.servers ?? []) {
      if (server.state === "ready") backends.push(`  server ${server.name} ${server.address}:${server.port} maxconn ${server.maxconn}${server.asleep ? " weight 0" : ""}${protocolOf(server)}`);
    }
  }
  return `${buildSkeleton(options)}\n${backends.join("\n")}\n`;
}

/** File name → content, for the directory `pages`. */
export function buildPages({ publicUrl }: Pick<ConfigOptions, "publicUrl">): Record<string, string> {
  const chosen = [PAGES.unknownHost].flatMap((it) => [[`${it.name}.html`, toHtml(it)], [`${it.name}.json`, toProblemText(it, publicUrl)]]);
  return Object.fromEntries([...chosen, [TEXTS_FILE, toLuaTable([...Object.values(PAGES), ...FAILURES.filter(({ isApps }) => isApps)], publicUrl)], ...FAILURES.map((it) => [`${it.name}.http`, toErrorFile(it)])]) as Record<string, string>;
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
    // For the Lua files, which take no arguments.
    `setenv BERTH_HOLD_SOCKET ${o.files.holdSocket}`,
    `setenv BERTH_SELF_SOCKET ${o.files.self}`,
    `setenv BERTH_HOLD_ALONE_MS ${o.aloneHoldMs}`,
    `setenv BERTH_TEXTS ${join(o.files.pages, TEXTS_FILE)}`,
    `setenv BERTH_ERROR_PAGES ${o.files.errorPages}`,
    `setenv BERTH_MAX_PER_APP ${o.maxPerApp}`,
    ...LUA_FILES.map((name) => `lua-load ${join(o.luaDir, name)}`),
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

function frontends(o: ConfigOptions): string[] {
  const plain = frontendSection(o, "web", `bind ${o.listen}`, "http");
  if (o.tls === undefined) return [plain];
  const { listen, certificates } = o.tls;
  return [plain, frontendSection(o, "web_tls", `bind ${listen} ssl crt ${certificates} alpn h2,http/1.1 ssl-min-ver TLSv1.2`, "https")];
}

/** One for each scheme: what is known beforehand costs no rule. */
function frontendSection(o: ConfigOptions, name: string, bind: string, scheme: "http" | "https"): string {
  return section(`frontend ${name} from base`, [
    bind,
    // After a reload a kept connection ends with its next answer, never under a request that is on its way.
    "option idle-close-on-response",
    // WSGI and CGI apps read «X_Forwarded_For» and «X-Forwarded-For» as the same variable.
    "option http-restrict-req-hdr-names delete",
    // Once a connection, not once a request.
    "tcp-request session set-var(sess.from) src,concat()",
    "tcp-request session set-var(sess.id) uuid(),concat(-)",
    "tcp-request session set-var(sess.requests) int(0)",
    ...(scheme === "http" && o.tls?.isForced === true ? ["http-request redirect scheme https code 308"] : []),
    "http-request deny deny_status 405 if { method CONNECT TRACE }",
    // A map reads up to a NUL, and the app beyond it: the slash at the end of all keys is found by whole hosts alone.
    `http-request set-var(txn.slot) req.fhdr(host),concat(/),map_str(${o.files.hosts})`,
    // With a port, capitals or a final dot. Whole: a value with a comma in it is no two hosts.
    `http-request set-var(txn.slot) ${WHOLE_HOST},map_str(${o.files.hosts}) if !{ var(txn.slot) -m found } { req.fhdr(host) -m reg -i ${HOST} }`,
    // What clients claim about the way here is not true until we say it.
    "http-request del-header x-forwarded -m beg",
    "http-request del-header forwarded",
    "http-request del-header x-real-ip",
    // Nor may a client name headers of ours as ones that the next hop has to drop.
    "http-request del-header connection",
    "http-request del-header keep-alive",
    "http-request add-header x-forwarded-for %[var(sess.from)]",
    `http-request add-header x-forwarded-proto ${scheme}`,
    "http-request set-var(sess.requests) var(sess.requests),add(1)",
    "http-request set-header x-request-id %[var(sess.id)]%[var(sess.requests)]",
    "http-request lua.upgrade if { req.fhdr(upgrade) -m found }",
    "use_backend %[var(txn.slot)]",
    "default_backend unknown",
  ]);
}

/** Where requests go that name no app's host. */
function unknownSection(o: ConfigOptions): string {
  const file = (ending: string) => join(o.files.pages, `${PAGES.unknownHost.name}.${ending}`);
  const answer = (type: string, ending: string) => `http-request return status ${PAGES.unknownHost.status} content-type "${type}" file ${file(ending)} hdr cache-control no-store hdr x-request-id %[req.hdr(x-request-id)]`;
  return section("backend unknown from base", [
    `http-request deny deny_status 400 if { req.fhdr(host) -m found } !{ req.fhdr(host) -m reg -i ${HOST} }`,
    `${answer("application/problem+json", "json")} if { req.hdr(accept) -m sub -i json } !{ req.hdr(accept) -m sub -i text/html }`,
    answer("text/html; charset=utf-8", "html"),
  ]);
}

/** Rules of every app's backend, in one place. Each costs every request: what is rare is decided in Lua. */
function slotDefaults(o: ConfigOptions): string {
  return section("defaults slots from base", [
    "balance leastconn",
    // No server is there; or in flight, queued and held are so many: one app must not take every connection of the gateway.
    `http-request lua.hold if !{ nbsrv gt 0 } || { be_conn gt ${o.maxPerApp} }`,
    // Keeping a request for another try costs as much as all other work here: only where there is another server, and for
    // what may be sent twice.
    "http-request disable-l7-retry if !{ nbsrv gt 1 } || !{ method GET HEAD OPTIONS }",
    `http-request set-timeout server var(txn.slot),map_str_int(${o.files.timeouts},${DEFAULT_TIMEOUT_MS})`,
    ...featureDefaults(),
  ]);
}

function section(head: string, lines: readonly string[]): string {
  return `${head}\n${lines.map((line) => `  ${line}\n`).join("")}`;
}
