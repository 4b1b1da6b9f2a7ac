import assert from "node:assert/strict";
import { test } from "node:test";
import { decode, encode, type Packet } from "dns-packet";
import type { TenantId } from "../../core/contract/ids.ts";
import { answerTo, fitted, isAnswerTo, readQuery, withId, type Query } from "./messages.ts";
import { judge } from "./names.ts";
import type { ResolverTable } from "./table.ts";

const [mine, other] = ["ten_a", "ten_b"] as [TenantId, TenantId];
const table: ResolverTable = {
  clients: { "10.201.0.16": mine, "10.201.0.17": other },
  tenants: {
    [mine]: { db: { addresses: ["10.201.0.20", "10.202.0.20"], mayWake: true }, lazy: { addresses: [], mayWake: true }, off: { addresses: [], mayWake: false } },
    [other]: { secret: { addresses: ["10.201.0.30"], mayWake: true } },
  },
};
const ask = (name: string, type = "A", client = "10.201.0.16") => judge(table, client, { name, type, class: "IN" });

test("an app's name is its tenant's alone; another's is as one that is not there", () => {
  assert.deepEqual(ask("db.internal"), { kind: "addresses", addresses: ["10.201.0.20", "10.202.0.20"] });
  assert.deepEqual(ask("DB.Internal."), ask("db.internal"));
  assert.deepEqual(ask("secret.internal"), { kind: "missing" });
  assert.deepEqual(ask("secret.internal", "A", "10.201.0.17").kind, "addresses");
  for (const name of ["nobody.internal", "internal", "a.db.internal", "constructor.internal", "__proto__.internal", "tostring.internal"]) assert.deepEqual(ask(name), { kind: "missing" }, name);
});

test("one that sleeps is woken by its name; other types have no records; whoever is not known waits", () => {
  assert.deepEqual(ask("lazy.internal"), { kind: "wake", tenantId: mine, name: "lazy" });
  assert.deepEqual(ask("off.internal"), { kind: "unavailable" });
  assert.deepEqual(ask("lazy.internal", "AAAA"), { kind: "empty" });
  assert.deepEqual(ask("db.internal", "A", "192.0.2.1"), { kind: "unknown" });
  assert.deepEqual(judge({ ...table, tenants: {} }, "10.201.0.16", { name: "db.internal", type: "A", class: "IN" }), { kind: "unknown" });
});

test("the rest is for others, but for whole zones and for who has a private address", () => {
  assert.deepEqual(ask("example.com"), { kind: "forward", tenantId: mine });
  assert.deepEqual(ask("xinternal"), { kind: "forward", tenantId: mine });
  assert.deepEqual(ask("example.com", "AXFR"), { kind: "refused" });
  assert.deepEqual(judge(table, "10.201.0.16", { name: "version.bind", type: "TXT", class: "CH" }), { kind: "refused" });
  assert.deepEqual(ask("20.0.201.10.in-addr.arpa", "PTR"), { kind: "missing" });
  assert.deepEqual(ask("168.192.in-addr.arpa", "PTR"), { kind: "missing" });
  assert.deepEqual(ask("8.8.8.8.in-addr.arpa", "PTR").kind, "forward");
});

const query = (packet: Packet) => encode({ type: "query", id: 7, flags: 0x0100, ...packet });
const read = (bytes: Buffer) => readQuery(bytes) as Query;
const one = { questions: [{ type: "A", name: "db.internal" }] } as const;

test("answers say what was asked, in any order, and for how long", () => {
  const asked = read(query({ ...one, questions: [...one.questions] }));
  const rcode = (bytes: Buffer) => (bytes[3] ?? 0) & 15;
  const answer = decode(answerTo(asked, "addresses", ["10.0.0.1", "10.0.0.2"], () => 0));
  assert.deepEqual([answer.id, answer.questions?.[0]?.name, answer.answers?.map((each) => "data" in each && each.data)], [7, "db.internal", ["10.0.0.1", "10.0.0.2"]]);
  assert.ok(answer.answers?.every((each) => "ttl" in each && (each.ttl ?? 99) <= 5));
  assert.deepEqual((["addresses", "missing", "unavailable", "refused"] as const).map((verdict) => rcode(answerTo(asked, verdict, [], () => 0))), [0, 3, 2, 5]);
  const empty = decode(answerTo(asked, "empty", [], () => 0));
  assert.deepEqual([empty.answers, empty.authorities?.[0]?.type], [[], "SOA"]);
  const many = answerTo(asked, "addresses", Array.from({ length: 200 }, (_, at) => `10.0.0.${at}`), Math.random);
  assert.ok(many.length <= 512);
});

test("what is no question is none: answers, updates, several at once, noise", () => {
  assert.equal(readQuery(Buffer.alloc(0)), undefined);
  assert.equal(readQuery(Buffer.from("a".repeat(40))), undefined);
  assert.equal(readQuery(Buffer.alloc(5000)), undefined);
  assert.equal(readQuery(encode({ type: "response", questions: [...one.questions] })), undefined);
  assert.equal(readQuery(query({ questions: [...one.questions, ...one.questions] })), undefined);
  assert.equal(readQuery(query({ flags: 0x2800, questions: [...one.questions] })), undefined);
  // A name that points to itself.
  assert.equal(readQuery(Buffer.from("000701000001000000000000c00c00010001", "hex")), undefined);
});

test("what does not fit is cut off visibly; a larger wish is granted up to what networks carry", () => {
  const long = encode({ type: "response", id: 7, questions: [...one.questions], answers: Array.from({ length: 60 }, (_, at) => ({ type: "A" as const, name: "db.internal", ttl: 1, data: `10.0.0.${at}` })) });
  const cut = decode(fitted(read(query({ questions: [...one.questions] })), long));
  assert.deepEqual([cut.flag_tc, cut.answers, cut.id], [true, [], 7]);
  const wish = read(query({ questions: [...one.questions], additionals: [{ type: "OPT", name: ".", udpPayloadSize: 65_000, extendedRcode: 0, ednsVersion: 0, flags: 0, flag_do: false, options: [] }] }));
  assert.equal(wish.room, 1232);
});

test("an answer from elsewhere counts only for the question that was sent, under its id", () => {
  const asked = withId(query({ questions: [{ type: "A", name: "example.com" }] }), 99);
  const reply = (id: number, name: string, type: "response" | "query" = "response") => encode({ type, id, questions: [{ type: "A", name }] });
  assert.ok(isAnswerTo(asked, reply(99, "example.com")) && isAnswerTo(asked, reply(99, "EXAMPLE.com")));
  for (const wrong of [reply(98, "example.com"), reply(99, "example.org"), reply(99, "example.com", "query"), Buffer.alloc(3)]) assert.ok(!isAnswerTo(asked, wrong));
});
