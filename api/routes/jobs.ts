/** Jobs of an app: runs that have a name, and may have a schedule. */
import { createRoute } from "@hono/zod-openapi";
import { z } from "zod";
import { pageOf } from "../../core/contract/api.ts";
import { JobCreateSchema, JobPatchSchema, JobSchema, RunSchema } from "../../core/contract/jobs.ts";
import type { Deps } from "../deps.ts";
import { needs } from "../middleware/authenticate.ts";
import { answerTagged, etagOf, readIfMatch } from "../preconditions.ts";
import { createRouter } from "../router.ts";
import { createJob, getJob, listJobs, listRunsOfJob, removeJob, runJob, updateJobOf } from "../use-cases/jobs.ts";
import { jobVersion } from "../views/run.ts";
import { AppParam, body, json, jsonLimit, NOT_MODIFIED, PageQuery, problems } from "./responses.ts";

/** `{job}`: its name, or its id. */
const JobParam = AppParam.extend({ job: z.string().min(1).max(64) });

export function createJobRoutes(deps: Deps) {
  const app = createRouter();
  app.use("/v1/apps/:app/jobs/*", jsonLimit);
  app.use("/v1/apps/:app/jobs", jsonLimit);
  app.openapi(
    createRoute({
      method: "get",
      path: "/v1/apps/{app}/jobs",
      operationId: "listJobs",
      ...needs("read"),
      summary: "List the jobs of an app",
      request: { params: AppParam, query: PageQuery },
      responses: { 200: json("A page of jobs, oldest first", pageOf(JobSchema)), ...problems(400, 401, 403, 404) },
    }),
    async (c) => c.json(await listJobs(deps, c.get("actor"), c.req.valid("param").app, c.req.valid("query")), 200),
  );
  app.openapi(
    createRoute({
      method: "post",
      path: "/v1/apps/{app}/jobs",
      operationId: "createJob",
      ...needs("apps"),
      summary: "Make a job; with a schedule it runs by itself",
      request: { params: AppParam, body: body(JobCreateSchema) },
      responses: { 201: json("The job", JobSchema), ...problems(400, 401, 403, 404, 409, 413, 422) },
    }),
    async (c) => {
      const job = await createJob(deps, c.get("actor"), c.req.valid("param").app, c.req.valid("json"));
      c.header("location", `/v1/apps/${job.app}/jobs/${job.name}`);
      return c.json(job, 201);
    },
  );
  addOne(app, deps);
  addRuns(app, deps);
  return app;
}

function addOne(app: ReturnType<typeof createRouter>, deps: Deps): void {
  const path = "/v1/apps/{app}/jobs/{job}";
  app.openapi(
    createRoute({
      method: "get",
      path,
      operationId: "getJob",
      ...needs("read"),
      summary: "Show a job",
      request: { params: JobParam },
      responses: { 200: json("The job", JobSchema), 304: NOT_MODIFIED, ...problems(401, 403, 404) },
    }),
    async (c) => {
      const job = await getJob(deps, c.get("actor"), c.req.valid("param").app, c.req.valid("param").job);
      return answerTagged(c, jobVersion(job), job) as never;
    },
  );
  app.openapi(
    createRoute({
      method: "patch",
      path,
      operationId: "updateJob",
      ...needs("apps"),
      summary: "Change a job; what runs stays as it is",
      request: { params: JobParam, body: body(JobPatchSchema) },
      responses: { 200: json("The job", JobSchema), ...problems(400, 401, 403, 404, 412, 413, 422) },
    }),
    async (c) => {
      const { app: name, job: of } = c.req.valid("param");
      const job = await updateJobOf(deps, c.get("actor"), name, of, c.req.valid("json"), readIfMatch(c));
      c.header("etag", etagOf(jobVersion(job), job));
      return c.json(job, 200);
    },
  );
  app.openapi(
    createRoute({
      method: "delete",
      path,
      operationId: "deleteJob",
      ...needs("apps"),
      summary: "Delete a job: its open runs are cancelled, its history stays",
      request: { params: JobParam },
      responses: { 204: { description: "It runs no more" }, ...problems(401, 403, 404) },
    }),
    async (c) => {
      await removeJob(deps, c.get("actor"), c.req.valid("param").app, c.req.valid("param").job);
      return c.body(null, 204);
    },
  );
}

function addRuns(app: ReturnType<typeof createRouter>, deps: Deps): void {
  const path = "/v1/apps/{app}/jobs/{job}/runs";
  app.openapi(
    createRoute({
      method: "get",
      path,
      operationId: "listJobRuns",
      ...needs("read"),
      summary: "List the runs of a job",
      request: { params: JobParam, query: PageQuery },
      responses: { 200: json("A page of runs, newest first", pageOf(RunSchema)), ...problems(400, 401, 403, 404) },
    }),
    async (c) => c.json(await listRunsOfJob(deps, c.get("actor"), c.req.valid("param").app, c.req.valid("param").job, c.req.valid("query")), 200),
  );
  app.openapi(
    createRoute({
      method: "post",
      path,
      operationId: "runJob",
      ...needs("deploy"),
      summary: "Run a job now, beside its schedule",
      request: { params: JobParam },
      responses: { 202: json("The run, which has not begun yet", RunSchema), ...problems(401, 403, 404, 409) },
    }),
    async (c) => {
      const run = await runJob(deps, c.get("actor"), c.req.valid("param").app, c.req.valid("param").job);
      c.header("location", `/v1/apps/${run.app}/runs/${run.id}`);
      return c.json(run, 202);
    },
  );
}
