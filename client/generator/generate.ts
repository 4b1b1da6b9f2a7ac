/** The types of `client/schema.ts`, made from the API's description. */
import { readFile } from "node:fs/promises";
import openapiTypeScript, { astToString } from "openapi-typescript";

const DESCRIPTION = new URL("../../api/openapi.json", import.meta.url);
const HEAD = "// Made from api/openapi.json by «npm run client»: change the API's routes, not this file.\n";

/** `description`: another one than the committed. */
export async function clientSchemaText(description?: string): Promise<string> {
  const document = JSON.parse(description ?? (await readFile(DESCRIPTION, "utf8"))) as object;
  const ast = await openapiTypeScript(document as never, {
    alphabetize: true,
    // What may be left out of a request is optional, also where there is a default for it.
    defaultNonNullable: false,
    rootTypes: true,
    rootTypesNoSchemaPrefix: true,
    silent: true,
  });
  return HEAD + astToString(ast);
}
