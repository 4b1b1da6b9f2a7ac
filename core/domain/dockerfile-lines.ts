/**
 * The text of a Dockerfile as instructions, cut where BuildKit's parser (and buildah's copy of it) cuts: directives,
 * continuations with comments and empty lines inside, heredocs. Libraries were tried first: dockerfile-ast misses the
 * end of a heredoc after a line that ends in a backslash, and `3<<EOF`, and so would refuse Dockerfiles that build.
 */

export interface Directive {
  /** Lower case. */
  name: string;
  value: string;
  line: number;
}

export interface Heredoc {
  name: string;
  terminated: boolean;
}

export interface Flag {
  /** Without the hyphens. */
  name: string;
  /** Null when there is no `=`. */
  value: string | null;
}

export interface Instruction {
  /** Upper case. */
  name: string;
  /** First line, 1-based. */
  line: number;
  /** Last line before the heredocs' contents. */
  headEndLine: number;
  flags: Flag[];
  /** What follows name and flags, with continuations joined; quotes as written. */
  args: string;
  words: string[];
  heredocs: Heredoc[];
}

export interface DockerfileLines {
  directives: Directive[];
  instructions: Instruction[];
}

const DIRECTIVE = /^#\s*([a-zA-Z][a-zA-Z0-9]*)\s*=\s*(.+?)\s*$/;
const HEREDOC = /^\d*<<(-?)([^<]+)$/;
const WITH_HEREDOCS = new Set(["RUN", "COPY", "ADD"]);

export function splitDockerfile(text: string): DockerfileLines {
  const lines = text.replace(/^\ufeff/, "").split("\n").map((line) => line.replace(/\r$/, ""));
  const directives = readDirectives(lines);
  const escape = directives.find((d) => d.name === "escape")?.value === "`" ? "`" : "\\";
  const continued = escape === "`" ? /(^|[^`])`[ \t]*$/ : /(^|[^\\])\\[ \t]*$/;
  const instructions: Instruction[] = [];
  for (let at = 0; at < lines.length; ) {
    if (isSkipped(lines[at])) {
      at++;
      continue;
    }
    const first = at;
    let head = "";
    let last = at;
    for (; at < lines.length; at++) {
      const line = lines[at] ?? "";
      // Within a continuation, comments and empty lines are left out, and the instruction goes on.
      if (at > first && isSkipped(line)) continue;
      last = at;
      const goesOn = continued.test(line);
      head += goesOn ? line.replace(/.[ \t]*$/, "") : line;
      if (!goesOn) break;
    }
    at++;
    const instruction = readInstruction(head, escape, first + 1, last + 1);
    for (const heredoc of findHeredocs(instruction, escape)) {
      const end = lines.findIndex((line, index) => index >= at && (heredoc.stripTabs ? line.replace(/^\t+/, "") : line) === heredoc.name);
      instruction.heredocs.push({ name: heredoc.name, terminated: end !== -1 });
      at = end === -1 ? lines.length : end + 1;
    }
    instructions.push(instruction);
  }
  return { directives, instructions };
}

function isSkipped(line: string | undefined): boolean {
  const trimmed = (line ?? "").trim();
  return trimmed === "" || trimmed.startsWith("#");
}

/** `# name=value` before anything else, each name once. */
function readDirectives(lines: readonly string[]): Directive[] {
  const found: Directive[] = [];
  for (const [index, line] of lines.entries()) {
    const [, name, value] = DIRECTIVE.exec(line) ?? [];
    if (name === undefined || value === undefined) break;
    if (!["syntax", "escape", "check"].includes(name.toLowerCase())) break;
    found.push({ name: name.toLowerCase(), value, line: index + 1 });
  }
  return found;
}

function readInstruction(head: string, escape: string, line: number, headEndLine: number): Instruction {
  const [, name = "", rest = ""] = /^\s*(\S+)\s*([\s\S]*)$/.exec(head) ?? [];
  const flags: Flag[] = [];
  const spans = wordSpans(rest, escape);
  let start = 0;
  for (const { text, end } of spans) {
    if (!text.startsWith("--") || text === "--") break;
    const equals = text.indexOf("=");
    flags.push({ name: text.slice(2, equals === -1 ? undefined : equals), value: equals === -1 ? null : unquote(text.slice(equals + 1)) });
    start = end;
  }
  const words = spans.slice(flags.length).map((span) => span.text);
  return { name: name.toUpperCase(), line, headEndLine, flags, args: rest.slice(start).trim(), words, heredocs: [] };
}

function findHeredocs(instruction: Instruction, escape: string): { name: string; stripTabs: boolean }[] {
  let words = instruction.words;
  let name = instruction.name;
  if (name === "ONBUILD") [name, words] = [words[0]?.toUpperCase() ?? "", words.slice(1)];
  if (!WITH_HEREDOCS.has(name)) return [];
  return words.flatMap((word) => {
    const [, hyphen, rest] = HEREDOC.exec(word) ?? [];
    if (rest === undefined || wordSpans(rest, escape).length !== 1) return [];
    return [{ name: unquote(rest), stripTabs: hyphen === "-" }];
  });
}

/** Words between white space that is not quoted; quotes stay in them. */
function wordSpans(text: string, escape: string): { text: string; end: number }[] {
  const words: { text: string; end: number }[] = [];
  let word = "";
  let quote = "";
  for (let at = 0; at <= text.length; at++) {
    const char = text[at];
    if (char === undefined || (quote === "" && /\s/.test(char))) {
      if (word !== "") words.push({ text: word, end: at });
      word = "";
      continue;
    }
    word += char;
    if (char === escape && quote !== "'" && at + 1 < text.length) word += text[++at];
    else if (quote !== "") quote = char === quote ? "" : quote;
    else if (char === '"' || char === "'") quote = char;
  }
  return words;
}

/** A word without its quotes. */
export function unquote(word: string): string {
  return word.replace(/"([^"]*)"|'([^']*)'/g, (_whole, double?: string, single?: string) => double ?? single ?? "");
}

/**
 * The same Dockerfile without `--link` on COPY and ADD: it only tells how layers are cached, and buildah 1.39 does
 * not know it. Line numbers stay.
 */
export function withoutLinkFlags(text: string): string {
  const linked = splitDockerfile(text).instructions.filter((i) => ["COPY", "ADD"].includes(i.name) && i.flags.some((f) => f.name === "link"));
  if (linked.length === 0) return text;
  const lines = text.split("\n");
  for (const { line, headEndLine } of linked) {
    for (let at = line - 1; at < headEndLine; at++) {
      const before = lines[at] ?? "";
      if (at >= line && before.trim().startsWith("#")) continue;
      const after = before.replace(/(^|\s)--link(=\S+)?(?=\s|$)/, "$1");
      lines[at] = after;
      if (after !== before) break;
    }
  }
  return lines.join("\n");
}
