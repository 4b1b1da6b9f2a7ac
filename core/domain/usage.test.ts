import assert from "node:assert/strict";
import { test } from "node:test";
import { advance, beginNetwork, beginRun, completeBefore, endRun, firstOpenHour, meterFrom, newMeter, saidOf, spreadOverHours, startRun, takeSample, type CountedUsage, type Meter, type MeterSample } from "./usage.ts";

const HOUR = 3_600_000;
const MINUTE = 60_000;
const sample = (atMs: number, cpuMicros: number | null, memoryBytes: number | null, egressBytes: number | null): MeterSample => ({ atMs, cpuMicros, memoryBytes, egressBytes, ingressBytes: egressBytes === null ? null : egressBytes * 3 });
const sums = ({ cpuMicros, memoryByteSeconds, egressBytes }: Meter) => [cpuMicros, memoryByteSeconds, egressBytes];

test("a meter adds differences, and memory by time", () => {
  let meter = startRun(beginRun(beginNetwork(newMeter(1))), 1000);
  meter = takeSample(meter, sample(2000, 50, 100, 7));
  assert.deepEqual(sums(meter), [50, 100, 7], "the first second has what the first sample says");
  meter = takeSample(meter, sample(12_000, 80, 300, 7));
  assert.deepEqual(sums(meter), [80, 100 + 200 * 10, 7]);
  meter = takeSample(meter, sample(12_000, 80, 300, 7));
  assert.deepEqual(sums(meter), [80, 2100, 7], "the same moment again adds nothing");
});

test("a container that starts again counts on top, however much it has used by the next sample", () => {
  let meter = takeSample(startRun(beginRun(newMeter(1)), 0), sample(1000, 100, 10, 5));
  // Its end: nothing is left of its memory, the processor's time is there still.
  meter = takeSample(meter, sample(3000, 130, null, 6));
  assert.deepEqual(sums(meter), [130, 10 + 20, 6]);
  meter = takeSample(startRun(beginRun(meter), 60_000), sample(61_000, 500, 4, 9));
  assert.deepEqual(sums(meter), [630, 34, 9], "the time between is nobody's");
});

test("counters that went back without a word began anew; a gone one changes nothing", () => {
  let meter = takeSample(startRun(beginRun(newMeter(1)), 0), sample(1000, 100, 10, 50));
  meter = takeSample(meter, sample(2000, 30, 10, 20));
  assert.deepEqual(sums(meter), [130, 20, 70]);
  meter = takeSample(meter, sample(3000, null, null, null));
  assert.deepEqual(sums(meter), [130, 30, 70]);
  meter = takeSample(meter, sample(4000, 40, null, 25));
  assert.deepEqual(sums(meter), [140, 30, 75]);
});

test("a host that was booted again has a clock that begins anew", () => {
  const meter = takeSample(startRun(beginRun(newMeter(1)), 0), sample(100_000, 1, 10, 0));
  assert.equal(takeSample(meter, sample(5000, 1, 10, 0)).memoryByteSeconds, meter.memoryByteSeconds);
});

test("between the end of a run and the next one no memory is counted; a lost meter counts from where it is", () => {
  let meter = takeSample(startRun(beginRun(newMeter(1)), 0), sample(1000, 100, 10, 5));
  meter = endRun(takeSample(meter, sample(2000, 100, null, 5)));
  assert.equal(meter.memoryByteSeconds, 20);
  assert.deepEqual(sums(takeSample(meter, sample(90_000, null, null, 6))), [100, 20, 6]);
  const anew = takeSample(meterFrom(7, sample(1000, 100, 10, 5)), sample(2000, 130, 30, 9));
  assert.deepEqual(saidOf(anew), { since: 7, cpuMicros: 30, memoryByteSeconds: 20, egressBytes: 4, ingressBytes: 12 });
});

const said = (cpuMicros: number, since = 1) => ({ since, cpuMicros, memoryByteSeconds: cpuMicros * 2, egressBytes: 0, ingressBytes: 0 });

test("the same word twice adds nothing, an older one nothing, in whatever order they come", () => {
  const words = [said(10), said(30), said(20), said(30), said(35), said(10)];
  let counted: CountedUsage | null = null;
  let cpu = 0;
  for (const [index, word] of words.entries()) {
    const step: ReturnType<typeof advance> = advance(counted, word, 0, index);
    cpu += step?.added.cpuMicros ?? 0;
    counted = step?.counted ?? counted;
  }
  assert.equal(cpu, 35);
  assert.equal(advance(counted, said(35), 0, 99), undefined);
});

test("a node that lost its data counts from zero: its former words count no more", () => {
  const first = advance(null, said(100, 1), 0, 1000);
  const second = advance(first!.counted, said(40, 2), 0, 2000);
  assert.deepEqual([second?.added.cpuMicros, second?.fromMs], [40, 1000]);
  assert.equal(advance(second!.counted, said(120, 1), 0, 3000), undefined);
  assert.equal(advance(second!.counted, said(41, 2), 0, 3000)?.added.cpuMicros, 1);
});

test("amounts are divided over hours by time, to the last unit", () => {
  const at = 100 * HOUR;
  const parts = spreadOverHours({ cpuMicros: 1001n, requests: 3n }, at - 10 * MINUTE, at + 2 * MINUTE, at + 2 * MINUTE);
  assert.deepEqual(parts.map((part) => [part.hour.getTime(), part.amounts]), [
    [at - HOUR, { cpuMicros: 834n, requests: 2n }],
    [at, { cpuMicros: 167n, requests: 1n }],
  ]);
  for (const [from, to] of [[0, 0], [5, 4], [-HOUR, 30 * MINUTE]] as const) {
    const spread = spreadOverHours({ egressBytes: 12_345_678_901_234_567_890n }, at + from, at + to, at + HOUR);
    assert.equal(spread.reduce((sum, part) => sum + (part.amounts.egressBytes ?? 0n), 0n), 12_345_678_901_234_567_890n);
  }
});

test("what comes late goes to the first open hour: one that was sent to billing does not change", () => {
  const now = 100 * HOUR + 20 * MINUTE;
  const parts = spreadOverHours({ buildMillis: 60n }, now - 5 * HOUR, now, now);
  assert.deepEqual(parts.map((part) => [part.hour.getTime(), part.amounts.buildMillis]), [[100 * HOUR, 60n]]);
  assert.deepEqual(spreadOverHours({ requests: 1n }, now - 5 * HOUR, now - 4 * HOUR, now).map((part) => part.hour.getTime()), [100 * HOUR]);
  for (let minute = 0; minute < 120; minute++) {
    assert.ok(completeBefore(now + minute * MINUTE) <= firstOpenHour(now + minute * MINUTE), "nothing complete is open");
  }
});
