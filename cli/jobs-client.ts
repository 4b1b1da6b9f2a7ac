/** Calls about jobs and runs. */
import type { Job, JobCreate, JobPatch, Run, RunCreate } from "../client/index.ts";
import type { Asking } from "./access-client.ts";

export function jobCalls({ api, via, ask, pages }: Asking) {
  const job = (app: string, name: string) => ({ params: { path: { app, job: name } } });
  const run = (app: string, id: string) => ({ params: { path: { app, run: id } } });
  return {
    runs: (app: string, limit: number): Promise<Run[]> =>
      pages(limit, (query) => ask("items", api.GET("/v1/apps/{app}/runs", { params: { path: { app }, query }, ...via(`listing the runs of ${app}`) }))),
    createRun: (app: string, body: RunCreate): Promise<Run> => ask("state", api.POST("/v1/apps/{app}/runs", { params: { path: { app } }, body, ...via(`running a command of ${app}`) })),
    run: (app: string, id: string): Promise<Run> => ask("state", api.GET("/v1/apps/{app}/runs/{run}", { ...run(app, id), ...via(`reading ${id}`) })),
    cancelRun: (app: string, id: string): Promise<Run> => ask("state", api.POST("/v1/apps/{app}/runs/{run}/cancel", { ...run(app, id), ...via(`cancelling ${id}`) })),
    followRunLogs: async (app: string, id: string, query: { tail: number; follow: boolean }, signal: AbortSignal): Promise<Response> =>
      (await api.GET("/v1/apps/{app}/runs/{run}/logs", { params: { path: { app, run: id }, query }, ...via("following", { signal, timeoutMs: 0 }), headers: { accept: "text/event-stream" }, parseAs: "stream" })).response,
    jobs: (app: string): Promise<Job[]> =>
      pages(Number.POSITIVE_INFINITY, (query) => ask("items", api.GET("/v1/apps/{app}/jobs", { params: { path: { app }, query }, ...via(`listing the jobs of ${app}`) }))),
    job: (app: string, name: string): Promise<Job> => ask("schedule", api.GET("/v1/apps/{app}/jobs/{job}", { ...job(app, name), ...via(`reading ${name}`) })),
    createJob: (app: string, body: JobCreate): Promise<Job> => ask("schedule", api.POST("/v1/apps/{app}/jobs", { params: { path: { app } }, body, ...via(`making the job ${body.name}`) })),
    updateJob: (app: string, name: string, body: JobPatch): Promise<Job> => ask("schedule", api.PATCH("/v1/apps/{app}/jobs/{job}", { ...job(app, name), body, ...via(`changing ${name}`) })),
    async deleteJob(app: string, name: string): Promise<void> {
      await api.DELETE("/v1/apps/{app}/jobs/{job}", { ...job(app, name), ...via(`deleting ${name}`) });
    },
    runJob: (app: string, name: string): Promise<Run> => ask("state", api.POST("/v1/apps/{app}/jobs/{job}/runs", { ...job(app, name), ...via(`running ${name}`) })),
    runsOfJob: (app: string, name: string, limit: number): Promise<Run[]> =>
      pages(limit, (query) => ask("items", api.GET("/v1/apps/{app}/jobs/{job}/runs", { params: { path: { app, job: name }, query }, ...via(`listing the runs of ${name}`) }))),
  };
}
