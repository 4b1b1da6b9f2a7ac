/** The clock of jobs: looks again and again which schedules are due, and makes their runs; the rollout loop carries them out. */
import type { Bells } from "../../core/bells.ts";
import type { Db } from "../../core/db/client.ts";
import { openLeader } from "../../core/db/leader.ts";
import { dueJobs, scheduleJob } from "../../core/db/system-queries/jobs.ts";
import type { Log } from "../../core/log.ts";
import { repeat } from "../repeat.ts";

export interface JobsDeps {
  db: Db;
  bells: Bells;
  log: Log;
  clock: () => Date;
  everyMs: number;
}

/** Starts the loop; the function it gives back stops it after the pass under way. The leader spares work: two at once would decide nothing twice. */
export function startJobs(deps: JobsDeps): () => Promise<void> {
  const leader = openLeader(deps.db, "jobs");
  const stop = repeat(deps.everyMs, async () => {
    try {
      if (await leader.isLeader()) await schedulePass(deps);
    } catch (error) {
      deps.log.warn({ err: error }, "jobs were not looked at");
    }
  });
  return async () => {
    await stop();
    await leader.close();
  };
}

export async function schedulePass({ db, bells, log, clock }: Omit<JobsDeps, "everyMs">): Promise<void> {
  for (const job of await dueJobs(db, clock())) {
    try {
      const begun = await scheduleJob(db, job, clock());
      if (begun === 0) continue;
      bells.ring("reconcile", job.appId);
      log.info({ jobId: job.id, appId: job.appId, begun }, "scheduled");
    } catch (error) {
      // One that cannot be decided must not hold up the others; the next pass comes back to it.
      log.warn({ jobId: job.id, err: error }, "a job was not scheduled");
    }
  }
}
