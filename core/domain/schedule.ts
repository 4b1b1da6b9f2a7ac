/** Scheduled minimums: how many instances an app has at least at a moment. Pure: time is an argument. */
import { WEEKDAYS, type ScheduledMin, type Weekday } from "../contract/scaling.ts";

interface LocalTime {
  day: Weekday;
  minute: number;
}

const MINUTE_MS = 60_000;
/** Zones have many spellings, and tenants write them. */
const ZONES_MAX = 1000;
/** One look at the calendar a minute and zone, however many apps ask. */
const zones = new Map<string, { format: Intl.DateTimeFormat; minute: number; local: LocalTime }>();

function localTime(timeZone: string, nowMs: number): LocalTime {
  const minute = Math.floor(nowMs / MINUTE_MS);
  const known = zones.get(timeZone);
  if (known?.minute === minute) return known.local;
  const format = known?.format ?? new Intl.DateTimeFormat("en-US", { timeZone, weekday: "short", hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
  const parts = new Map(format.formatToParts(nowMs).map(({ type, value }) => [type, value]));
  const local = { day: (parts.get("weekday") ?? "").toLowerCase() as Weekday, minute: Number(parts.get("hour")) * 60 + Number(parts.get("minute")) };
  if (zones.size >= ZONES_MAX) zones.clear();
  zones.set(timeZone, { format, minute, local });
  return local;
}

const minutesOf = (time: string) => Number(time.slice(0, 2)) * 60 + Number(time.slice(3));
const dayBefore = (day: Weekday) => WEEKDAYS[(WEEKDAYS.indexOf(day) + 6) % 7] as Weekday;

function applies({ days, from, to, timeZone }: ScheduledMin, nowMs: number): boolean {
  const { day, minute } = localTime(timeZone, nowMs);
  const [begin, end] = [minutesOf(from), minutesOf(to)];
  const isOf = (one: Weekday) => days === undefined || days.includes(one);
  const began = isOf(day) && minute >= begin;
  if (begin < end) return began && minute < end;
  return began || (isOf(dayBefore(day)) && minute < end);
}

/** The entry that asks for most now; undefined: none does. */
export function scheduledNow(schedule: readonly ScheduledMin[] | undefined, nowMs: number): ScheduledMin | undefined {
  return schedule?.filter((entry) => applies(entry, nowMs)).reduce<ScheduledMin | undefined>((most, one) => (one.min > (most?.min ?? 0) ? one : most), undefined);
}

/** «3 on mon, tue from 08:00 to 18:00 (Europe/Berlin)». */
export function scheduleInWords({ days, from, to, timeZone, min }: ScheduledMin): string {
  return `${min} ${days === undefined ? "every day" : `on ${days.join(", ")}`} from ${from} to ${to} (${timeZone})`;
}
