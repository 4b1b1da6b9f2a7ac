/** Options of `deploy` and `scale` for what the gateway does with requests: the commonest, the others are for `berth.yaml`. */
import type { Command } from "commander";
import { usageError } from "./errors.ts";
import { parseDuration } from "./flags.ts";
import type { HttpPatch } from "./http-flags.ts";

export function httpOptions(command: Command): Command {
  return command
    .option("--h2c", "the app speaks HTTP/2 without TLS, as gRPC does")
    .option("--no-h2c", "the app speaks HTTP/1.1 (default)")
    .option("--compress", "gzip text that the app did not compress")
    .option("--no-compress", "send answers as they are (default)")
    .option("--sticky", "lead a client back to the same instance, by a cookie")
    .option("--no-sticky", "any instance answers (default)")
    .option("--allow-from <ranges>", 'answer only to these addresses: 10.0.0.0/8,192.0.2.7 ("": to everybody)', (text) => (text === "" ? [] : text.split(",").map((one) => one.trim())))
    .option("--rate-limit <count/time>", 'requests of one address: 100/1m ("": no limit)', parseRate);
}

function parseRate(text: string): HttpPatch["rateLimit"] {
  if (text === "") return null;
  const [, requests, period = ""] = /^(\d+)\/(.+)$/.exec(text) ?? [];
  if (requests === undefined) throw usageError(`«${text}» is no rate.`, "Examples: 100/1m, 10/1s");
  return { requests: Number(requests), periodMs: parseDuration(period), by: "address" };
}
