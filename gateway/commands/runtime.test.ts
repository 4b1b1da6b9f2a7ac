import assert from "node:assert/strict";
import { test } from "node:test";
import { stickyToken } from "../features.ts";
import { filesOf } from "./files.ts";
import { observe, outcome, parseStats, render } from "./runtime.ts";

const files = filesOf("/d");
const server = { slot: "slot_0001", name: "ins_1" };

test("commands as lines", () => {
  assert.deepEqual(
    [
      render({ kind: "add-server", ...server, address: "10.0.0.1", port: 80, maxconn: 5 }, files),
      render({ kind: "set-state", ...server, state: "drain" }, files),
      render({ kind: "set-address", ...server, address: "10.0.0.2", port: 81 }, files),
      render({ kind: "set-maxconn", ...server, maxconn: 9 }, files),
      render({ kind: "set-asleep", ...server, asleep: true }, files),
      render({ kind: "del-server", ...server }, files),
      render({ kind: "add-server", ...server, address: "10.0.0.1", port: 80, maxconn: 5, protocol: "h2c" }, files),
      render({ kind: "add-host", slot: "slot_0001", host: "a.test", entry: "slot" }, files),
      render({ kind: "set-host", slot: "slot_0001", host: "a.test", entry: "features_gzip" }, files),
      render({ kind: "add-featured", slot: "slot_0001", host: "a.test" }, files),
      render({ kind: "add-sticky", ...server }, files),
      render({ kind: "set-value", slot: "slot_0001", map: "timeouts", value: "7" }, files),
      render({ kind: "del-value", slot: "slot_0001", map: "socketIdle" }, files),
    ],
    [
      "add server slot_0001/ins_1 10.0.0.1:80 maxconn 5 pool-max-conn 5 pool-purge-delay 5s",
      "set server slot_0001/ins_1 state drain",
      "set server slot_0001/ins_1 addr 10.0.0.2 port 81",
      "set maxconn server slot_0001/ins_1 9",
      "set server slot_0001/ins_1 weight 0",
      "del server slot_0001/ins_1",
      "add server slot_0001/ins_1 10.0.0.1:80 maxconn 5 pool-max-conn 5 pool-purge-delay 5s proto h2",
      "add map /d/hosts.map a.test/ slot_0001",
      "set map /d/hosts.map a.test/ features_gzip",
      "add map /d/featured.map a.test/ slot_0001",
      `add map /d/sticky.map ${stickyToken("ins_1")} slot_0001/ins_1`,
      "set map /d/timeouts.map slot_0001 7",
      "del map /d/socket-idle.map slot_0001",
    ],
  );
});

test("answers: done, busy or failed", () => {
  const del = { kind: "del-server", ...server } as const;
  assert.equal(outcome(del, "Server deleted.\n"), "done");
  assert.equal(outcome(del, "Server still has connections attached to it, cannot remove it.\n"), "busy");
  assert.equal(outcome(del, "No such server.\n"), "failed");
  assert.equal(outcome({ kind: "set-state", ...server, state: "ready" }, "\n"), "done");
  assert.equal(outcome({ kind: "set-state", ...server, state: "ready" }, "No such server.\n"), "failed");
});

test("statistics and maps become what HAProxy has", () => {
  const csv = [
    "# pxname,svname,qcur,scur,slim,bin,bout,status,req_tot,hrsp_2xx,hrsp_4xx,hrsp_5xx,addr,weight,hrsp_1xx,hrsp_3xx,hrsp_other,eresp,",
    "web,FRONTEND,0,1,2,3,4,OPEN,5,6,7,8,,,",
    "slot_0001,ins_1,1,2,80,0,0,no check,,6,2,3,10.0.0.1:8080,1,1,1,0,2,",
    "slot_0001,ins_2,0,0,80,0,0,DRAIN,,0,0,0,10.0.0.2:8080,1,",
    "slot_0001,BACKEND,0,3,4000,10,20,UP,9,5,3,1,,1,",
    "slot_0002,ins_3,0,0,80,0,0,MAINT,,0,0,0,10.0.0.3:8080,0,",
  ].join("\n");
  const { backends, servers } = parseStats(csv);
  assert.deepEqual(backends.get("slot_0001"), { requests: 9, responses2xx: 5, responses4xx: 3, responses5xx: 1, bytesIn: 10, bytesOut: 20, inFlight: 3 });
  assert.equal(servers.get("slot_0001")?.get("ins_1")?.sessions, 3);
  assert.deepEqual([servers.get("slot_0001")?.get("ins_1")?.served, servers.get("slot_0001")?.get("ins_1")?.errors], [15, 5]);
  const observed = observe(servers, {
    hosts: "0x1 a.test/ slot_0001\n0x2 b.test/ slot_0003\n0x4 c.test/ features\n", featured: "0x5 c.test/ slot_0003\n", sticky: "0x6 ABC slot_0001/ins_1\n",
    timeouts: "0x3 slot_0001 5000\n", socketIdle: "", features: "0x7 slot_0003 sticky\n", splits: "0x8 slot_0001 slot_0002:500:h:v2:v1\n",
  });
  assert.deepEqual([...(observed.get("slot_0001")?.servers.values() ?? [])].map((one) => one.state), ["ready", "drain"]);
  assert.equal(observed.get("slot_0002")?.servers.get("ins_3")?.state, "maint");
  assert.equal(observed.get("slot_0001")?.servers.get("ins_1")?.asleep, false);
  assert.equal(observed.get("slot_0002")?.servers.get("ins_3")?.asleep, true);
  assert.deepEqual([observed.get("slot_0001")?.values, [...(observed.get("slot_0003")?.hosts ?? [])]], [{ timeouts: "5000", splits: "slot_0002:500:h:v2:v1" }, [["b.test", "slot"], ["c.test", "features"]]]);
  assert.deepEqual([observed.get("slot_0003")?.values, [...(observed.get("slot_0001")?.sticky ?? [])]], [{ features: "sticky" }, ["ins_1"]]);
  assert.throws(() => parseStats("# pxname,svname\n"), /no column/);
});
