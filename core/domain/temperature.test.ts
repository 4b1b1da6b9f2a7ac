import assert from "node:assert/strict";
import { test } from "node:test";
import { coolForMemory, coolTo, isWorking, KEPT_WARM, mustWarm, sleepPolicy, sleepPolicyAt, type SleepPolicy, type Temperature } from "./temperature.ts";

const scaling = { min: 0, max: 10, idleMs: 86_400_000 };
const DEEP: SleepPolicy = { freezeAfterMs: 60_000, standbyAfterMs: 900_000, coldAfterMs: 86_400_000 };
const FREEZE_ONLY: SleepPolicy = { freezeAfterMs: 60_000, standbyAfterMs: null, coldAfterMs: null };

test("apps that follow demand sleep; a fixed number runs unless told otherwise; 0 is never", () => {
  assert.deepEqual(sleepPolicy({ scaling }), DEEP);
  assert.deepEqual(sleepPolicy({ scaling: { ...scaling, min: 1 } }), FREEZE_ONLY, "what must have an instance keeps its memory");
  assert.equal(sleepPolicy({}), undefined);
  assert.deepEqual(sleepPolicy({ freezeAfterMs: 5000 }), { ...FREEZE_ONLY, freezeAfterMs: 5000 });
  assert.equal(sleepPolicy({ scaling, freezeAfterMs: 0 }), undefined);
  assert.deepEqual(sleepPolicy({ scaling, freezeAfterMs: 3_600_000 }), { freezeAfterMs: 3_600_000, standbyAfterMs: 3_600_000, coldAfterMs: 86_400_000 });
});

test("in its scheduled hours an app keeps its memory; what slept deeply is woken for them", () => {
  const schedule = [{ from: "08:00", to: "18:00", timeZone: "UTC", min: 2 }];
  const policy = sleepPolicy({ scaling: { min: 0, schedule } }) as SleepPolicy;
  assert.deepEqual(policy, { ...DEEP, schedule });
  assert.deepEqual(sleepPolicyAt(policy, 9 * 3_600_000), FREEZE_ONLY);
  assert.equal(sleepPolicyAt(policy, 20 * 3_600_000), policy);
  assert.deepEqual((["running", "frozen", "standby", "cold"] as const).map((now) => mustWarm(FREEZE_ONLY, now)), [false, false, true, true]);
  assert.equal(mustWarm(policy, "cold"), false);
});

test("it cools with the time, step by step, and never warms by itself", () => {
  const at = (quietMs: number, now: Temperature = "running", policy = DEEP) => coolTo(policy, now, quietMs);
  assert.deepEqual([at(59_999), at(60_000), at(899_999), at(900_000), at(86_400_000)], ["running", "frozen", "frozen", "standby", "cold"]);
  assert.equal(at(0, "standby"), "standby");
  assert.equal(at(1e12, "running", FREEZE_ONLY), "frozen");
});

test("an app that works is not idle", () => {
  assert.equal(isWorking(700, 60_000), true);
  assert.equal(isWorking(300, 60_000), false);
  assert.equal(isWorking(15, 300), false, "a few milliseconds of a runtime's housekeeping are no work");
});

test("want of memory takes the coldest first, of equals the one that was quiet longest, and nothing that runs or must keep its memory", () => {
  const one = (name: string, temperature: Temperature, quietMs: number, policy = DEEP, isKept = false) => ({ name, temperature, quietMs, policy, isKept });
  const all = [one("a", "running", 1e9), one("b", "frozen", 5), one("c", "frozen", 9), one("d", "standby", 1), one("e", "frozen", 99, FREEZE_ONLY), one("f", "cold", 1e9)];
  const chosen = (list: typeof all) => {
    const found = coolForMemory(list);
    return found && [found.instance.name, found.to];
  };
  assert.deepEqual(chosen(all), ["d", "cold"]);
  assert.deepEqual(chosen([...all, one("g", "frozen", 1, KEPT_WARM, true)]), ["g", "standby"], "what is kept for a rollback goes first");
  assert.deepEqual(chosen(all.filter(({ name }) => name !== "d")), ["c", "standby"]);
  assert.equal(chosen(all.filter(({ temperature }) => temperature === "running" || temperature === "cold")), undefined);
});
