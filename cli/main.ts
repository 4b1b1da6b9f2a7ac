/** The CLI's entry. It loads as little as it can: `berth --help` must feel instant. */
import { enableCompileCache } from "node:module";
import { homedir } from "node:os";
import { join } from "node:path";

// The user's own directory and not /tmp: nobody else may put code there.
enableCompileCache(join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "berth", "compiled"));

// A reader that went away (`berth logs | head`) is no error.
process.stdout.on("error", (error: NodeJS.ErrnoException) => process.exit(error.code === "EPIPE" ? 0 : 1));
process.stderr.on("error", () => {});

const { main } = await import("./program.ts");
process.exit(await main(process.argv.slice(2)));
