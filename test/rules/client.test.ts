import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { clientSchemaText } from "../../client/generator/generate.ts";

test("client/schema.ts is what api/openapi.json says", async () => {
  const committed = await readFile(new URL("../../client/schema.ts", import.meta.url), "utf8");
  assert.ok(committed === (await clientSchemaText()), "it drifted: run «npm run openapi», then «npm run client», and commit both files");
});
