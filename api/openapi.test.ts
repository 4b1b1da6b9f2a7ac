import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { openApiText } from "./openapi-text.ts";

test("api/openapi.json is what the routes say", async () => {
  const committed = await readFile(new URL("openapi.json", import.meta.url), "utf8");
  assert.ok(committed === openApiText(), "it drifted: run «npm run openapi» and commit the file");
});
