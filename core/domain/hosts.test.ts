import assert from "node:assert/strict";
import { test } from "node:test";
import { holdsProof, nextLookMs, readHost } from "./hosts.ts";

const own = ["berth.localhost", "api.berth.dev"];

test("hosts of the internet, lower case and in ASCII", () => {
  for (const [text, host] of [["shop.acme.com", "shop.acme.com"], [" Shop.ACME.com. ", "shop.acme.com"], ["bücher.de", "xn--bcher-kva.de"], ["a.co", "a.co"]] as const) {
    assert.deepEqual(readHost(text, own), { host });
  }
});

test("what is none is refused, with the reason", () => {
  const wrong: [string, RegExp][] = [
    ["https://acme.com", /without scheme/], ["acme.com:443", /without scheme/], ["acme.com/x", /without scheme/], ["*.acme.com", /wildcards/], ["10.1.2.3", /address/], ["acme", /at least two/],
    ["-a.com", /hyphen/], ["a..com", /labels/], ["", /labels/], [`${"a".repeat(64)}.com`, /labels/], ["x.localhost", /no part/], ["db.internal", /no part/], ["1.2.3", /address/], ["a.1", /labels|number/],
    ["web-main.berth.localhost", /no part|platform/], ["api.berth.dev", /platform/], ["x.api.berth.dev", /platform/], ["a b.com", /without/], ["a\0.com", /labels/], ["a_b.com", /labels/],
  ];
  for (const [text, reason] of wrong) {
    const verdict = readHost(text, own);
    assert.ok("problem" in verdict && reason.test(verdict.problem), `${text}: ${JSON.stringify(verdict)}`);
  }
});

test("the proof is one whole record, in one string or several", () => {
  assert.equal(holdsProof([["v=spf1"], ["berth-verify=abc"]], "abc"), true);
  assert.equal(holdsProof([["berth-ver", "ify=abc"]], "abc"), true);
  assert.equal(holdsProof([["berth-verify=abcd"], ["x berth-verify=abc"], []], "abc"), false);
});

test("often at first, then seldom, then not at all", () => {
  const hour = 3_600_000;
  assert.deepEqual([0, hour, 30 * hour, 200 * hour].map(nextLookMs), [15_000, 600_000, hour, undefined]);
});
