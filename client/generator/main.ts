/** `npm run client`: writes `client/schema.ts`. A test checks that it did not drift. */
import { writeFile } from "node:fs/promises";
import { clientSchemaText } from "./generate.ts";

await writeFile(new URL("../schema.ts", import.meta.url), await clientSchemaText());
