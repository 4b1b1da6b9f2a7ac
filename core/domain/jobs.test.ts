import assert from "node:assert/strict";
import { test } from "node:test";
import { dueTimes, isSchedule, nextTime, ON_TIME_MS, type Timetable } from "./jobs.ts";

const at = (text: string) => Date.parse(text);
const iso = (times: readonly number[]) => times.map((time) => new Date(time).toISOString().slice(0, 16));
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

test("five fields and nicknames are schedules; seconds, years, dates and nonsense are not", () => {
  for (const good of ["* * * * *", "0 3 * * *", "*/15 8-18 * * MON-FRI", "0 0 L * *", "@daily", "@hourly"]) assert.ok(isSchedule(good), good);
  for (const bad of ["", "* * * *", "* * * * * *", "61 * * * *", "0 3 * * * 2030", "2026-10-10T10:00:00", "@reboot", "a b c d e", "0 25 * * *"]) assert.ok(!isSchedule(bad), bad);
  assert.equal(nextTime("0 3 30 2 *", "UTC", at("2026-01-01T00:00:00Z")), null, "a day that never comes");
});

const BERLIN_BEGIN = "2026-03-28T12:00:00Z";
const BERLIN_END = "2026-10-24T12:00:00Z";
const next = (schedule: string, from: string, count: number) => {
  const times: number[] = [];
  for (let after = at(from); times.length < count; after = times.at(-1) as number) times.push(nextTime(schedule, "Europe/Berlin", after) as number);
  return iso(times);
};

test("summer time: an hour that is left out runs when it would have been, an hour that comes twice runs once", () => {
  assert.deepEqual(next("30 2 * * *", BERLIN_BEGIN, 2), ["2026-03-29T01:00", "2026-03-30T00:30"]);
  assert.deepEqual(next("30 2 * * *", BERLIN_END, 2), ["2026-10-25T00:30", "2026-10-26T01:30"]);
  assert.deepEqual(next("0 * * * *", "2026-10-24T23:30:00Z", 4), ["2026-10-25T00:00", "2026-10-25T01:00", "2026-10-25T02:00", "2026-10-25T03:00"], "what runs hourly runs each hour");
});

test("looking back finds the same times as looking ahead, over both changes and in all kinds of schedules", () => {
  for (const timeZone of ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe"]) {
    for (const schedule of ["30 2 * * *", "*/20 1-3 * * *", "15 1,2,3 * * 0"]) {
      for (const from of ["2026-03-06T12:00:00Z", "2026-03-27T12:00:00Z", "2026-04-03T12:00:00Z", "2026-10-02T12:00:00Z", "2026-10-23T12:00:00Z"]) {
        const begin = at(from);
        const now = begin + 3 * 24 * HOUR;
        const ahead: number[] = [];
        for (let time = nextTime(schedule, timeZone, begin); time !== null && time <= now; time = nextTime(schedule, timeZone, time)) ahead.push(time);
        const due = dueTimes({ schedule, timeZone, missedRuns: "run-all", startingDeadlineMs: 5 * 24 * HOUR, decidedUntil: begin }, now);
        assert.deepEqual(iso(due.run), iso(ahead.slice(-100)), `${schedule} ${timeZone} ${from}`);
      }
    }
  }
});

const HOURLY: Timetable = { schedule: "0 * * * *", timeZone: "UTC", missedRuns: "run-once", startingDeadlineMs: 3 * HOUR, decidedUntil: at("2026-05-01T00:00:00Z") };

test("a time is due once it is there, once, and late after a minute", () => {
  const one = at("2026-05-01T01:00:00Z");
  assert.deepEqual(dueTimes(HOURLY, one - 1), { run: [], missed: [] });
  assert.deepEqual(dueTimes(HOURLY, one), { run: [one], missed: [] });
  assert.deepEqual(dueTimes({ ...HOURLY, decidedUntil: one }, one + 30_000), { run: [], missed: [] });
  assert.deepEqual(dueTimes({ ...HOURLY, missedRuns: "skip" }, one + ON_TIME_MS), { run: [one], missed: [] });
  assert.deepEqual(dueTimes({ ...HOURLY, missedRuns: "skip" }, one + ON_TIME_MS + 1), { run: [], missed: [one] });
});

test("times that nobody could start: none, the last, or all within the starting deadline", () => {
  const now = at("2026-05-01T05:30:00Z");
  const policy = (missedRuns: Timetable["missedRuns"]) => {
    const { run, missed } = dueTimes({ ...HOURLY, missedRuns }, now);
    return [iso(run).map((text) => text.slice(11)), iso(missed).map((text) => text.slice(11))];
  };
  assert.deepEqual(policy("skip"), [[], ["01:00", "02:00", "03:00", "04:00", "05:00"]]);
  assert.deepEqual(policy("run-once"), [["05:00"], ["01:00", "02:00", "03:00", "04:00"]]);
  assert.deepEqual(policy("run-all"), [["03:00", "04:00", "05:00"], ["01:00", "02:00"]]);
  assert.deepEqual(dueTimes({ ...HOURLY, startingDeadlineMs: 20 * MINUTE }, now).run, [], "too late for all of them");
});

test("one that is on time makes up for those before it", () => {
  const now = at("2026-05-01T05:00:10Z");
  assert.deepEqual(iso(dueTimes(HOURLY, now).run), ["2026-05-01T05:00"]);
});

test("a clock that goes back repeats nothing; one that went ahead for long is bounded", () => {
  assert.deepEqual(dueTimes(HOURLY, HOURLY.decidedUntil - 10 * HOUR), { run: [], missed: [] });
  const { run, missed } = dueTimes({ ...HOURLY, schedule: "* * * * *" }, HOURLY.decidedUntil + 365 * 24 * HOUR + 30_000);
  assert.equal(run.length, 1);
  assert.equal(missed.length, 99);
});
