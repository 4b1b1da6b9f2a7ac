import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { newId, type InstanceId } from "../core/contract/ids.ts";
import type { Temperature } from "../core/domain/temperature.ts";
import { openLog } from "../core/log.ts";
import { CheckUse } from "./check-use.ts";
import type { Instance } from "./instance.ts";
import { SleepWatch } from "./sleep-watch.ts";

test("a host that is short of memory cools the one that was quiet longest, and nothing that must keep its memory", async () => {
  const cooled: string[] = [];
  const stub = (name: string, is: Temperature, standbyAfterMs: number | null): readonly [InstanceId, Instance] => {
    const policy = { freezeAfterMs: 3_600_000, standbyAfterMs, coldAfterMs: standbyAfterMs };
    const sleeping = { wantedAt: 0, checks: new CheckUse(() => 0), workMs: 0, cool: (to: string, cause: string) => cooled.push(`${name} ${to} ${cause}`), freeze: () => assert.fail("it is not time") };
    const since = new Date(Date.now() - (name === "older" ? 9000 : 1000)).toISOString();
    return [newId("instance"), { sleeping, sleeper: { policy, temperature: is, since, pid: null, port: 80, interface: "none", isKept: false } } as unknown as Instance];
  };
  const all = [stub("runs", "running", 9e9), stub("younger", "frozen", 9e9), stub("older", "frozen", 9e9), stub("keeps", "frozen", null)];
  const watch = new SleepWatch({ instances: () => all, log: openLog("node-agent", "silent"), availableMemory: () => 0.05 });
  watch.start();
  await sleep(20);
  watch.close();
  assert.deepEqual(cooled, ["older standby memory-pressure"]);
});
