import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { ERRORS } from "./errors.ts";

test("docs/errors.md lists every code with its status and title, and no other", async () => {
  const page = await readFile(new URL("../../docs/errors.md", import.meta.url), "utf8");
  const rows = [...page.matchAll(/^\| `(\w+)` \| (\d+) \| (.+?) \| (.+) \|$/gm)].map(([, code, status, title]) => [code, Number(status), title]);
  assert.deepEqual(rows, Object.entries(ERRORS).map(([code, [status, title]]) => [code, status, title]));
});
