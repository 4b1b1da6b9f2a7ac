/**
 * Which release a request goes to, while an app has a canary. The map has the live release's slot and, with colons
 * between them: the canary's slot, its share of ten thousand, how requests may choose (h: header, c: cookie), and the
 * names of both releases. An app without a canary costs a look into the map.
 */

const HEADER = "x-berth-release";
/** A visitor's place among ten thousand, the same for every canary: who has come to one stays there as its share grows. */
const COOKIE = "berth-share";
const HAS_PLACE = `{ req.cook(${COOKIE}) -m reg ^[0-9]{1,4}$ }`;

const field = (at: number) => `var(txn.split),field(${at},:)`;

export function splitRules(mapFile: string): string[] {
  const byCookie = `{ ${field(3)} -m sub c }`;
  return [
    `http-request set-var(txn.split) var(txn.slot),map_str(${mapFile})`,
    `http-request set-var(txn.canary) ${field(1)} if { var(txn.split) -m found }`,
    `http-request set-var(txn.share) ${field(2)} if { var(txn.canary) -m found }`,
    "http-request set-var(txn.place) rand(10000) if { var(txn.canary) -m found }",
    `http-request set-var(txn.new_place) var(txn.place) if ${byCookie} !${HAS_PLACE}`,
    `http-request set-var(txn.place) req.cook(${COOKIE}) if ${byCookie} ${HAS_PLACE}`,
    "http-request set-var(txn.to) str(canary) if { var(txn.canary) -m found } { var(txn.place),sub(txn.share) lt 0 }",
    `http-request set-var(txn.wants) req.hdr(${HEADER}),lower if { ${field(3)} -m sub h }`,
    `http-request set-var(txn.to) str(canary) if { var(txn.wants) -m str canary } or { ${field(4)},strcmp(txn.wants) eq 0 }`,
    `http-request set-var(txn.to) str(live) if { var(txn.wants) -m str live } or { ${field(5)},strcmp(txn.wants) eq 0 }`,
    // While none of its instances can be used the live release has all.
    "http-request set-var(txn.slot) var(txn.canary) if { var(txn.to) -m str canary } { var(txn.canary),nbsrv gt 0 }",
    `http-response add-header set-cookie "${COOKIE}=%[var(txn.new_place)]; Path=/; HttpOnly; SameSite=Lax" if { var(txn.new_place) -m found }`,
  ];
}
