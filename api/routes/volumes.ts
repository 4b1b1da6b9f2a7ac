/** What an app keeps across releases and restarts. */
import { createRoute, z } from "@hono/zod-openapi";
import { pageOf } from "../../core/contract/api.ts";
import { idSchema } from "../../core/contract/ids.ts";
import {
  VolumeCreateSchema,
  VolumeOperationCreateSchema,
  VolumeOperationSchema,
  VolumeResizeSchema,
  VolumeSchema,
  VolumeSnapshotSchema,
} from "../../core/contract/volumes.ts";
import type { Deps } from "../deps.ts";
import { needs } from "../middleware/authenticate.ts";
import { createRouter } from "../router.ts";
import { getOperation, listOperations, locationOf, startOperation } from "../use-cases/volume-operations.ts";
import { createVolume, deleteSnapshot, deleteVolume, getVolume, listSnapshots, listVolumes, resizeVolume } from "../use-cases/volumes.ts";
import { AppParam, body, json, jsonLimit, PageQuery, problems } from "./responses.ts";

const VolumeParam = AppParam.extend({ volume: z.string().min(1).max(64) });
const SnapshotParam = VolumeParam.extend({ snapshot: idSchema("snapshot") });
const OperationParam = VolumeParam.extend({ operation: idSchema("operation") });

export function createVolumeRoutes(deps: Deps) {
  const app = createRouter();
  app.use("/v1/apps/:app/volumes", jsonLimit);
  app.use("/v1/apps/:app/volumes/*", jsonLimit);
  addAll(app, deps);
  addOne(app, deps);
  addSnapshots(app, deps);
  addOperations(app, deps);
  return app;
}

function addAll(app: ReturnType<typeof createRouter>, deps: Deps): void {
  app.openapi(
    createRoute({
      method: "get",
      path: "/v1/apps/{app}/volumes",
      operationId: "listVolumes",
      ...needs("read"),
      summary: "List the volumes of an app",
      request: { params: AppParam, query: PageQuery },
      responses: { 200: json("A page of volumes, oldest first", pageOf(VolumeSchema)), ...problems(400, 401, 403, 404) },
    }),
    async (c) => c.json(await listVolumes(deps, c.get("actor"), c.req.valid("param").app, c.req.valid("query")), 200),
  );
  app.openapi(
    createRoute({
      method: "post",
      path: "/v1/apps/{app}/volumes",
      operationId: "createVolume",
      ...needs("apps"),
      summary: "Make a volume, for settings to mount",
      request: { params: AppParam, body: body(VolumeCreateSchema) },
      responses: { 201: json("The volume; it is on no node yet", VolumeSchema), ...problems(400, 401, 403, 404, 409, 413, 422) },
    }),
    async (c) => {
      const volume = await createVolume(deps, c.get("actor"), c.req.valid("param").app, c.req.valid("json"));
      c.header("location", `/v1/apps/${volume.app}/volumes/${volume.name}`);
      return c.json(volume, 201);
    },
  );
}

function addOne(app: ReturnType<typeof createRouter>, deps: Deps): void {
  app.openapi(
    createRoute({
      method: "get",
      path: "/v1/apps/{app}/volumes/{volume}",
      operationId: "getVolume",
      ...needs("read"),
      summary: "Show a volume, where it is and what is being done with it",
      request: { params: VolumeParam },
      responses: { 200: json("The volume", VolumeSchema), ...problems(401, 403, 404) },
    }),
    async (c) => c.json(await getVolume(deps, c.get("actor"), c.req.valid("param").app, c.req.valid("param").volume), 200),
  );
  app.openapi(
    createRoute({
      method: "post",
      path: "/v1/apps/{app}/volumes/{volume}/resize",
      operationId: "resizeVolume",
      ...needs("apps"),
      summary: "Let a volume grow",
      request: { params: VolumeParam, body: body(VolumeResizeSchema) },
      responses: { 200: json("The volume; `actualSizeBytes` follows", VolumeSchema), ...problems(400, 401, 403, 404, 409, 413, 422) },
    }),
    async (c) => c.json(await resizeVolume(deps, c.get("actor"), c.req.valid("param").app, c.req.valid("param").volume, c.req.valid("json").sizeBytes), 200),
  );
  app.openapi(
    createRoute({
      method: "delete",
      path: "/v1/apps/{app}/volumes/{volume}",
      operationId: "deleteVolume",
      ...needs("apps"),
      summary: "Delete a volume that nothing mounts, with all of its snapshots",
      request: { params: VolumeParam },
      responses: { 204: { description: "It is being removed" }, ...problems(401, 403, 404, 409) },
    }),
    async (c) => {
      await deleteVolume(deps, c.get("actor"), c.req.valid("param").app, c.req.valid("param").volume);
      return c.body(null, 204);
    },
  );
}

function addSnapshots(app: ReturnType<typeof createRouter>, deps: Deps): void {
  app.openapi(
    createRoute({
      method: "get",
      path: "/v1/apps/{app}/volumes/{volume}/snapshots",
      operationId: "listVolumeSnapshots",
      ...needs("read"),
      summary: "List the snapshots of a volume",
      request: { params: VolumeParam, query: PageQuery },
      responses: { 200: json("A page of snapshots, newest first", pageOf(VolumeSnapshotSchema)), ...problems(400, 401, 403, 404) },
    }),
    async (c) => c.json(await listSnapshots(deps, c.get("actor"), c.req.valid("param").app, c.req.valid("param").volume, c.req.valid("query")), 200),
  );
  app.openapi(
    createRoute({
      method: "delete",
      path: "/v1/apps/{app}/volumes/{volume}/snapshots/{snapshot}",
      operationId: "deleteVolumeSnapshot",
      ...needs("apps"),
      summary: "Delete a snapshot",
      request: { params: SnapshotParam },
      responses: { 204: { description: "It is being removed" }, ...problems(400, 401, 403, 404, 409) },
    }),
    async (c) => {
      const { app: name, volume, snapshot } = c.req.valid("param");
      await deleteSnapshot(deps, c.get("actor"), name, volume, snapshot);
      return c.body(null, 204);
    },
  );
}

function addOperations(app: ReturnType<typeof createRouter>, deps: Deps): void {
  app.openapi(
    createRoute({
      method: "get",
      path: "/v1/apps/{app}/volumes/{volume}/operations",
      operationId: "listVolumeOperations",
      ...needs("read"),
      summary: "List what was done with a volume",
      request: { params: VolumeParam, query: PageQuery },
      responses: { 200: json("A page of operations, newest first", pageOf(VolumeOperationSchema)), ...problems(400, 401, 403, 404) },
    }),
    async (c) => c.json(await listOperations(deps, c.get("actor"), c.req.valid("param").app, c.req.valid("param").volume, c.req.valid("query")), 200),
  );
  app.openapi(
    createRoute({
      method: "post",
      path: "/v1/apps/{app}/volumes/{volume}/operations",
      operationId: "startVolumeOperation",
      ...needs("apps"),
      summary: "Take a snapshot of a volume, restore one, or move the volume to another node",
      request: { params: VolumeParam, body: body(VolumeOperationCreateSchema) },
      responses: { 202: json("The operation; ask for it until it is `done` or `failed`", VolumeOperationSchema), ...problems(400, 401, 403, 404, 409, 413, 422) },
    }),
    async (c) => {
      const { operation, app: name } = await startOperation(deps, c.get("actor"), c.req.valid("param").app, c.req.valid("param").volume, c.req.valid("json"));
      c.header("location", locationOf(name, operation));
      return c.json(operation, 202);
    },
  );
  app.openapi(
    createRoute({
      method: "get",
      path: "/v1/apps/{app}/volumes/{volume}/operations/{operation}",
      operationId: "getVolumeOperation",
      ...needs("read"),
      summary: "Show how far an operation is, or why it failed",
      request: { params: OperationParam },
      responses: { 200: json("The operation", VolumeOperationSchema), ...problems(400, 401, 403, 404) },
    }),
    async (c) => {
      const { app: name, volume, operation } = c.req.valid("param");
      return c.json(await getOperation(deps, c.get("actor"), name, volume, operation), 200);
    },
  );
}
