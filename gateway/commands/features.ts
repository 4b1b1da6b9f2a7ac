/**
 * The part of HAProxy's configuration that does something with apps' requests: inner frontends, which requests reach only
 * when their host's entry says so. The first frontend has passed them on by then: what it says of the client is true.
 */
import type { ConfigOptions } from "./config.ts";
import { FAILURES } from "./pages.ts";

const STICKY_COOKIE = "berth-instance";
/** Without what streams: an event must not wait for the next one in a compressor. */
const COMPRESSED_TYPES = [
  "text/html", "text/css", "text/plain", "text/javascript", "text/xml", "text/csv", "text/markdown", "application/javascript", "application/json", "application/ld+json",
  "application/manifest+json", "application/problem+json", "application/xml", "application/rss+xml", "application/atom+xml", "application/wasm", "image/svg+xml",
];
/** The request's host as a map's key. */
export const WHOLE_HOST = "req.fhdr(host),lower,host_only,rtrim(.),concat(/)";
/** In each slot: HAProxy takes it in no `defaults`. */
export const USE_SERVER = "  use-server %[var(txn.server)] if { var(txn.server) -m found }";

export function featureSections(o: ConfigOptions): { head: string; lines: string[] }[] {
  return ["features", "features_gzip"].flatMap((name) => [outer(o, name), inner(o, name)]);
}

/** What the first frontend hands such requests to. */
function outer({ files }: ConfigOptions, name: string) {
  return {
    head: `backend ${name} from base`,
    lines: [
      // The slot behind it has the app's own.
      "timeout server 2h",
      "retry-on none",
      `http-request set-timeout tunnel ${WHOLE_HOST},map_str(${files.featured}),map_str_int(${files.socketIdle}) if { req.fhdr(upgrade) -m found }`,
      `server inner unix@${files.inner}/${name}.sock pool-max-conn 1000`,
    ],
  };
}

function inner({ files, user }: ConfigOptions, name: string) {
  const cookie = `${STICKY_COOKIE}=%[srv_name,sha2(256),hex,bytes(0,32)]; Path=/; HttpOnly; SameSite=Lax%[var(txn.secure)]`;
  return {
    head: `frontend ${name} from base`,
    lines: [
      `bind unix@${files.inner}/${name}.sock${user === undefined ? "" : ` user ${user}`} mode 600`,
      "option idle-close-on-response",
      ...(name === "features_gzip" ? ["compression algo gzip", `compression type ${COMPRESSED_TYPES.join(" ")}`] : []),
      `http-request set-var(txn.slot) ${WHOLE_HOST},map_str(${files.featured})`,
      // Its app has given its features up while the request was on its way here.
      `http-request set-var(txn.slot) ${WHOLE_HOST},map_str(${files.hosts}) if !{ var(txn.slot) -m found }`,
      `http-request set-var(txn.secure) str("; Secure") if { req.fhdr(x-forwarded-proto) -m str https }`,
      `http-request set-var(txn.features) var(txn.slot),map_str(${files.features})`,
      "http-request lua.features if { var(txn.features) -m found }",
      // HAProxy goes on when an action fails: what was not let through is refused.
      "http-request deny deny_status 500 if { var(txn.features) -m found } !{ var(txn.passed) -m found }",
      // Of another app's server, or one that is gone, the slot knows nothing: any other serves.
      `http-request set-var(txn.server) req.cook(${STICKY_COOKIE}),map_str(${files.sticky}),field(2,/) if { var(txn.sticky) -m found }`,
      `http-response add-header set-cookie "${cookie}" if { var(txn.sticky) -m found } !{ srv_name,strcmp(txn.server) eq 0 }`,
      `http-request set-var(txn.split) var(txn.slot),map_str(${files.splits})`,
      "http-request lua.split if { var(txn.split) -m found }",
      `http-response add-header set-cookie "berth-share=%[var(txn.place)]; Path=/; HttpOnly; SameSite=Lax" if { var(txn.place) -m found }`,
      "use_backend %[var(txn.slot)] if { var(txn.slot) -m beg slot_ }",
      "default_backend unknown",
    ],
  };
}

/** For all slots: pages for what fails on the way, the app's own where it has some. */
export function featureDefaults(): string[] {
  return FAILURES.filter(({ isApps }) => isApps).map(({ status, name, retryAfterS }) => {
    const retry = retryAfterS === undefined ? "" : ` hdr retry-after ${retryAfterS}`;
    return `http-error status ${status} content-type "text/html; charset=utf-8" lf-string %[var(txn.slot),lua.error_page(${name})] hdr cache-control no-store${retry}`;
  });
}
