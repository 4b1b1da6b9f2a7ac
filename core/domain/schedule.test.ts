import assert from "node:assert/strict";
import { test } from "node:test";
import { ScheduledMinSchema, ScalingSchema } from "../contract/scaling.ts";
import { scheduledNow, scheduleInWords } from "./schedule.ts";

const entry = (more: object) => ScheduledMinSchema.parse({ from: "08:00", to: "18:00", min: 3, ...more });
const at = (iso: string) => Date.parse(iso);
const minAt = (schedule: ReturnType<typeof entry>[], iso: string) => scheduledNow(schedule, at(iso))?.min ?? 0;

test("within its hours, on its days, in its zone", () => {
  const office = [entry({ days: ["mon", "fri"], timeZone: "Europe/Berlin" })];
  // 2026-03-02 is a Monday; Berlin is one hour ahead of UTC.
  assert.deepEqual(["2026-03-02T06:59:59Z", "2026-03-02T07:00:00Z", "2026-03-02T16:59:59Z", "2026-03-02T17:00:00Z"].map((time) => minAt(office, time)), [0, 3, 3, 0]);
  assert.equal(minAt(office, "2026-03-03T10:00:00Z"), 0, "a Tuesday");
  // From 29 March on it is two hours.
  assert.deepEqual(["2026-03-30T06:00:00Z", "2026-03-30T16:00:00Z"].map((time) => minAt(office, time)), [3, 0]);
});

test("hours that go over midnight are of the day that they begin on", () => {
  const night = [entry({ days: ["fri"], from: "22:00", to: "06:00" })];
  assert.deepEqual(["2026-03-06T21:59:00Z", "2026-03-06T22:00:00Z", "2026-03-07T05:59:00Z", "2026-03-07T06:00:00Z", "2026-03-07T22:30:00Z", "2026-03-06T05:00:00Z"].map((time) => minAt(night, time)), [0, 3, 3, 0, 0, 0]);
  assert.equal(minAt([entry({ from: "00:00", to: "00:00" })], "2026-03-07T13:00:00Z"), 3, "the whole day");
});

test("of several the highest counts; none is none", () => {
  const both = [entry({ min: 2 }), entry({ from: "12:00", to: "13:00", min: 7 })];
  assert.deepEqual([minAt(both, "2026-03-07T11:59:00Z"), minAt(both, "2026-03-07T12:30:00Z"), minAt([], "2026-03-07T12:30:00Z")], [2, 7, 0]);
  assert.equal(scheduledNow(undefined, 0), undefined);
});

test("what is no time, no zone, or more than the maximum is refused", () => {
  for (const wrong of [{ from: "24:00" }, { to: "8:00" }, { timeZone: "Mars/Olympus" }, { days: [] }, { days: ["monday"] }, { min: 0 }, { cron: "* * * * *" }]) {
    assert.equal(ScheduledMinSchema.safeParse({ from: "08:00", to: "18:00", min: 3, ...wrong }).success, false, JSON.stringify(wrong));
  }
  assert.throws(() => ScalingSchema.parse({ max: 2, schedule: [entry({})] }), /more than max/);
});

test("in words", () => {
  assert.equal(scheduleInWords(entry({ days: ["mon", "tue"], timeZone: "Europe/Berlin" })), "3 on mon, tue from 08:00 to 18:00 (Europe/Berlin)");
  assert.equal(scheduleInWords(entry({})), "3 every day from 08:00 to 18:00 (UTC)");
});
