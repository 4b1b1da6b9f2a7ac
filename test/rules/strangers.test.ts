/** A route that nobody asks as a stranger would fails here, before any server starts. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { REPOSITORY } from "../../infra/config.ts";
import { RECIPES } from "../support/strangers.ts";

test("every operation of api/openapi.json has a recipe for the test that asks as strangers do", () => {
  const { paths } = JSON.parse(readFileSync(join(REPOSITORY, "api/openapi.json"), "utf8")) as { paths: Record<string, Record<string, { operationId: string }>> };
  const ids = Object.values(paths).flatMap((methods) => Object.values(methods).map(({ operationId }) => operationId));
  assert.ok(ids.length > 30);
  assert.deepEqual(ids.filter((id) => RECIPES[id] === undefined), [], "add it to RECIPES in test/support/strangers.ts, then run «node --test test/integration/api-strangers.test.ts»");
});
