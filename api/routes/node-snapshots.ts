/** Where a node's agent brings the bytes of a snapshot: it has no credentials for the blob store. */
import { createRoute, z } from "@hono/zod-openapi";
import { AppError } from "../../core/contract/errors.ts";
import { idSchema } from "../../core/contract/ids.ts";
import { NODE_SNAPSHOT_PATH, SNAPSHOT_DIGEST_HEADER, SNAPSHOT_IMAGE_BYTES_HEADER } from "../../core/contract/node-volumes.ts";
import { DigestSchema } from "../../core/contract/release-config.ts";
import { bearerToken } from "../../core/tokens.ts";
import type { Deps } from "../deps.ts";
import { counted } from "../middleware/authenticate.ts";
import { verifyNodeToken } from "../node-tokens.ts";
import { createRouter } from "../router.ts";
import { storeSnapshot } from "../use-cases/store-snapshot.ts";
import { bodyOf, problems } from "./responses.ts";

export function createNodeSnapshotRoutes(deps: Deps) {
  const app = createRouter();
  app.openapi(
    createRoute({
      operationId: "storeSnapshot",
      method: "put",
      path: `${NODE_SNAPSHOT_PATH}/{snapshot}`,
      security: [{ node: [] }],
      summary: "For a node's agent: the bytes of a snapshot that it was told to take",
      request: {
        params: z.object({ snapshot: idSchema("snapshot") }),
        headers: z.object({ [SNAPSHOT_DIGEST_HEADER]: DigestSchema.optional(), [SNAPSHOT_IMAGE_BYTES_HEADER]: z.string().regex(/^[1-9]\d{0,15}$/).optional() }),
      },
      responses: { 204: { description: "They are stored" }, ...problems(400, 401, 404, 422) },
    }),
    async (c) => {
      const given = bearerToken(c.req.header("authorization")) ?? "";
      const nodeId = await counted(deps, given, c.get("clientIp"), async () => {
        const found = await verifyNodeToken(deps, given);
        if (found === undefined) throw new AppError("unauthenticated", "This wants the JWT of a node.", { headers: { "www-authenticate": 'Bearer realm="berth"' } });
        return found;
      });
      const headers = c.req.valid("header");
      const digest = headers[SNAPSHOT_DIGEST_HEADER];
      const imageBytes = headers[SNAPSHOT_IMAGE_BYTES_HEADER];
      if (digest === undefined || imageBytes === undefined) throw new AppError("invalid_request", `The headers ${SNAPSHOT_DIGEST_HEADER} and ${SNAPSHOT_IMAGE_BYTES_HEADER} say what the bytes are.`);
      await storeSnapshot(deps, nodeId, c.req.valid("param").snapshot, { digest, imageBytes: Number(imageBytes) }, bodyOf(c));
      return c.body(null, 204);
    },
  );
  return app;
}
