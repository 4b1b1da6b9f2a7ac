/** Examples of documentation: what a page says to type, and what it says comes back. */

export interface Example {
  /** For messages: what is above it. */
  title: string;
  script: string;
  /** The block below it: `http` for `curl -i`, `text` for anything else. */
  expected: { kind: "http" | "text"; text: string } | undefined;
}

/** Blocks `sh` with what follows them directly. */
export function readExamples(page: string): Example[] {
  const examples: Example[] = [];
  let title = "";
  let open: Example | undefined;
  for (const [, heading, language, body = ""] of page.matchAll(/^#+ (.+)$|^```(\w*)\n([^]*?)^```$/gm)) {
    if (heading !== undefined) title = heading;
    else if (language === "sh") examples.push((open = { title, script: body, expected: undefined }));
    else if (open !== undefined && (language === "http" || language === "text")) {
      open.expected = { kind: language, text: body };
      open = undefined;
    } else open = undefined;
  }
  return examples;
}

/** What differs between a page and an answer; empty where nothing does. `…` stands for anything. */
export function compareAnswer({ kind, text }: NonNullable<Example["expected"]>, answer: string): string[] {
  if (kind === "text") return like(text.trimEnd(), answer.trimEnd()) ? [] : [`«${text}» is not like «${answer}»`];
  const [wantedHead = "", wantedBody = ""] = split(text);
  // `100 Continue` may come first.
  const [head = "", body = ""] = split(answer.replaceAll("\r\n", "\n").replace(/^HTTP\/1\.1 100 [^\n]*\n\n/, ""));
  const [status = "", ...headers] = wantedHead.split("\n");
  const differences = head.startsWith(`${status}\n`) ? [] : [`«${status}» is not «${head.split("\n")[0]}»: ${body}`];
  const given = head.split("\n");
  for (const header of headers) if (!given.some((each) => like(header, each))) differences.push(`no header is like «${header}»: ${given.join("; ")}`);
  if (wantedBody.trim() !== "") compareJson(JSON.parse(wantedBody), body === "" ? undefined : JSON.parse(body), "", differences);
  else if (body.trim() !== "") differences.push(`there is a body: ${body}`);
  return differences;
}

function split(text: string): [string, string] {
  const at = text.indexOf("\n\n");
  return at === -1 ? [text.trimEnd(), ""] : [text.slice(0, at), text.slice(at + 2)];
}

function like(pattern: string, text: string): boolean {
  const parts = pattern.split("…").map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  return new RegExp(`^${parts.join("[^]*")}$`).test(text);
}

/** Numbers are of the moment; all else that is shown must be so. What is not shown may be there. */
function compareJson(wanted: unknown, given: unknown, at: string, differences: string[]): void {
  if (typeof wanted === "object" && wanted !== null) {
    if (typeof given !== "object" || given === null || Array.isArray(wanted) !== Array.isArray(given)) return void differences.push(`${at || "the body"} is ${JSON.stringify(given)}`);
    for (const [key, value] of Object.entries(wanted)) compareJson(value, (given as Record<string, unknown>)[key], at === "" ? key : `${at}.${key}`, differences);
  } else if (typeof wanted === "string" && typeof given === "string") {
    if (!like(wanted, given)) differences.push(`${at}: «${given}» is not like «${wanted}»`);
  } else if (typeof wanted === "number" ? typeof given !== "number" : wanted !== given) differences.push(`${at} is ${JSON.stringify(given)} and not ${JSON.stringify(wanted)}`);
}
