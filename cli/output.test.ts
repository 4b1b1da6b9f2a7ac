import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { networkError } from "./transport.ts";
import { CliError } from "./errors.ts";
import { createOutput, formatBytes, formatDuration, safeLogText, wantsColor, type OutputOptions } from "./output.ts";

function capture(options: OutputOptions & { tty?: boolean } = {}) {
  const text = { stdout: "", stderr: "" };
  const stream = (name: "stdout" | "stderr") => ({ isTTY: options.tty === true, write: (chunk: string | Uint8Array) => ((text[name] += String(chunk)), true) }) as unknown as NonNullable<OutputOptions["stdout"]>;
  return { text, out: createOutput({ env: {}, ...options, stdout: stream("stdout"), stderr: stream("stderr") }) };
}
const failure = new CliError("It broke.", { code: "build_failed", lines: ["at Dockerfile:3  RUN false"], hint: "Do this." });

describe("output", () => {
  it("in a pipe: plain words, no control sequences", async () => {
    const { out, text } = capture();
    out.line(out.colors.green("done"));
    out.log("\u001b[31mred\u001b[0m \u001b]0;title\u0007x\r");
    await out.table(["A", "LONGER"], [["1", "2"], ["333", "4"]]);
    out.error(failure);
    assert.equal(text.stdout, "done\nred x\nA    LONGER\n1    2\n333  4\n");
    assert.equal(text.stderr, "error: It broke. (build_failed)\n  at Dockerfile:3  RUN false\n  Do this.\n");
  });

  it("on a terminal: colours, but no sequence of an app that moves the cursor", () => {
    const { out, text } = capture({ tty: true });
    out.line(out.colors.green("done"));
    out.log("\u001b[31mred\u001b[2J\u001b[10;10H\u001b]0;title\u0007!");
    assert.equal(text.stdout, "\u001b[32mdone\u001b[39m\n\u001b[31mred!\u001b[0m\n");
  });

  it("NO_COLOR and FORCE_COLOR", () => {
    assert.equal(wantsColor({ NO_COLOR: "1" }, true), false);
    assert.equal(wantsColor({ NO_COLOR: "" }, true), true);
    assert.equal(wantsColor({ FORCE_COLOR: "1" }, false), true);
    assert.equal(wantsColor({ FORCE_COLOR: "0" }, false), false);
  });

  it("--json: JSON alone, errors too; --quiet: the result alone", () => {
    const json = capture({ json: true });
    json.out.line("words");
    json.out.result("url");
    json.out.event({ a: 1 });
    json.out.error(failure);
    assert.equal(json.text.stdout, '{"a":1}\n');
    assert.equal(json.text.stderr, '{"error":{"code":"build_failed","detail":"It broke.","hint":"Do this."},"exitCode":1}\n');
    const quiet = capture({ quiet: true });
    quiet.out.line("words");
    quiet.out.log("words");
    quiet.out.result("url");
    assert.equal(quiet.text.stdout, "url\n");
  });

  it("holds lines back while a question is open", () => {
    const { out, text } = capture();
    out.pause();
    out.line("later");
    assert.equal(text.stdout, "");
    out.resume();
    assert.equal(text.stdout, "later\n");
  });

  it("log lines with hostile bytes", () => {
    assert.equal(safeLogText("a\u0007\u0008\u009bb\tc", false), "ab\tc");
    assert.equal(safeLogText("a\u001bMb\u001b[?25lc", true), "aMbc");
    assert.equal(safeLogText("plain", true), "plain");
  });

  it("amounts", () => {
    assert.deepEqual([0, 1023, 1536, 300 * 2 ** 20, 2 ** 31].map(formatBytes), ["0 B", "1023 B", "1.5 KiB", "300 MiB", "2.0 GiB"]);
    assert.deepEqual([3.4, 1500, 61_000].map(formatDuration), ["3 ms", "1.5 s", "1 min 1 s"]);
  });
});

describe("network failures say what to do", () => {
  const target = { api: "http://x:1", context: "c" };
  const error = (code: string) => networkError(Object.assign(new TypeError("fetch failed"), { cause: Object.assign(new Error("inner"), { code }) }), target, "reading");
  const cases: [string, RegExp][] = [
    ["ECONNREFUSED", /Nothing answers at http:\/\/x:1/],
    ["ENOTFOUND", /not known to DNS/],
    ["EHOSTUNREACH", /no way to x:1/],
    ["UND_ERR_HEADERS_TIMEOUT", /did not answer in time while reading/],
    ["ECONNRESET", /broke while reading/],
    ["DEPTH_ZERO_SELF_SIGNED_CERT", /certificate of x:1/],
    ["EWHATEVER", /cannot be reached \(EWHATEVER\)/],
  ];
  for (const [code, message] of cases) {
    it(code, () => {
      assert.match(error(code).message, message);
      assert.ok((error(code).details.hint ?? "").length > 10);
    });
  }

  it("an error of the files being sent stays itself", () => {
    const own = new CliError("a file cannot be read");
    assert.equal(networkError(new TypeError("fetch failed", { cause: own }), target, "uploading"), own);
  });
});
