/** `npm run openapi`: writes `api/openapi.json`, the description that clients are made from. A test checks that it did not drift. */
import { writeFile } from "node:fs/promises";
import { openApiText } from "./openapi-text.ts";

await writeFile(new URL("openapi.json", import.meta.url), openApiText());
