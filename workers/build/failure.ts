/** What went wrong, as a tenant should read it: a stable code, a sentence, the Dockerfile's line, the last output. Pure. */
import type { ErrorCode, Failure } from "../../core/contract/errors.ts";
import { splitDockerfile, type Instruction } from "../../core/domain/dockerfile-lines.ts";
import type { StepPosition } from "./output.ts";

export interface BuildFailureInput {
  /** Phase that failed: `unpack`, `dockerfile`, `build`, `push`, `disk`, or `sandbox` when the script itself ended. */
  phase: string;
  exitCode: number;
  /** What the phase left: stderr, or for `build` the free KiB and free inodes of the disk. */
  detail: string;
  /** buildah's last sentence. */
  error: string;
  position: StepPosition | undefined;
  tail: readonly string[];
  dockerfile: string | undefined;
  dockerfilePath: string;
  contextFormat: string;
  oomKilled: boolean;
  limits: { memoryBytes: number; diskBytes: number };
}

const NO_SPACE = /no space left on device|disk quota exceeded|ENOSPC/i;
const LOW_DISK_KIB = 256;
const LOW_INODES = 16;
const UNSUPPORTED = /is not supported|unsupported|not implemented|unknown flag|unrecognized/i;
const INVALID = /unknown instruction|syntax error|parsing|requires at least|requires exactly|must be|unexpected|invalid (?:instruction|reference)|dockerfile parse error|missing terminator|unterminated/i;
const NO_IMAGE = /initializing source|reading manifest|pinging container registry|short-name|no stage or image found|unable to find image|creating build container: (?!mkdir)|manifest unknown|image not known|name unknown|requested access to the resource is denied/i;

export function describeFailure(input: BuildFailureInput): Failure {
  const gib = (bytes: number) => `${Math.round((bytes / 2 ** 30) * 10) / 10} GiB`;
  const at = where(input);
  if (input.oomKilled) {
    return { code: "build_out_of_memory", detail: `The build used more than its ${gib(input.limits.memoryBytes)} of memory.`, ...at, ...tailOf(input) };
  }
  if (isDiskFull(input)) {
    return { code: "build_disk_full", detail: `The build filled its disk of ${gib(input.limits.diskBytes)}.`, ...at, ...tailOf(input) };
  }
  switch (input.phase) {
    case "unpack":
      return describeUnpack(input);
    case "dockerfile":
      return { code: "dockerfile_missing", detail: `There is no file «${input.dockerfilePath}» in the build context.` };
    case "build":
      return describeBuild(input, at);
    case "push": {
      const [, quota] = /denied: (The limit «\w+».*?were asked for\.)/s.exec(input.detail) ?? [];
      if (quota !== undefined) return { code: "quota_exceeded", detail: `The image was built, but there is no room for it. ${quota}` };
      const code = /\b50[234]\b|connection refused|i\/o timeout/i.test(input.detail) ? "storage_unavailable" : "internal";
      return { code, detail: "The image was built, but could not be stored in the registry. Deploy again in a moment.", logTail: lastLines(input.detail) };
    }
    default:
      return { code: "internal", detail: "The build's sandbox ended unexpectedly. Deploy again in a moment.", ...tailOf(input) };
  }
}

function isDiskFull(input: BuildFailureInput): boolean {
  if (input.phase === "disk" || NO_SPACE.test(input.error) || input.tail.slice(-5).some((line) => NO_SPACE.test(line))) return true;
  if (input.phase === "unpack" || input.phase === "push") return NO_SPACE.test(input.detail);
  if (input.phase !== "build") return false;
  // Empty when not even `df` could be started: that says nothing about the disk.
  const [, kib = Infinity, inodes = Infinity] = /^(\d+)\s+(\d+)$/.exec(input.detail.trim()) ?? [];
  return Number(kib) < LOW_DISK_KIB || Number(inodes) < LOW_INODES;
}

function describeUnpack({ detail, contextFormat }: BuildFailureInput): Failure {
  const said = (code: ErrorCode, sentence: string): Failure => ({ code, detail: sentence, logTail: lastLines(detail) });
  if (/contains '\.\.'|Cannot open: Not a directory|Cannot open: Too many levels/.test(detail)) return said("context_escapes", "The build context has an entry that reaches outside of it.");
  if (/does not look like a tar archive|not in gzip format|unsupported format|Unknown frame descriptor|Unrecognized/i.test(detail)) {
    return said("context_not_tar", `The upload is not what it says: a ${contextFormat} archive.`);
  }
  if (/Unexpected EOF|unexpected end of file|premature end|truncated/i.test(detail)) return said("context_truncated", "The build context ends too early: the upload was cut short.");
  return said("context_not_tar", "The build context could not be unpacked.");
}

function describeBuild(input: BuildFailureInput, at: Partial<Failure>): Failure {
  const sentence = plain(input.error.replace(/^building at STEP "(?:[^"\\]|\\.)*": /, ""), input.position?.text ?? "");
  const instruction = input.position?.text.split(/\s/, 1)[0]?.toUpperCase();
  const status = /exit status (\d+)$/.exec(input.error)?.[1];
  if (status !== undefined && instruction === "RUN") {
    return { code: "build_failed", detail: `RUN ended with exit code ${status}.`, ...at, exitCode: Number(status), ...tailOf(input) };
  }
  if (NO_IMAGE.test(input.error) && (instruction === "FROM" || instruction === undefined || /--from=/.test(input.position?.text ?? ""))) {
    const name = /docker:\/\/([^\s:]+(?::[^\s:]+)?)/.exec(input.error)?.[1] ?? input.position?.text.split(/\s+/)[1] ?? "";
    return { code: "base_image_not_found", detail: shorten(imageNotFound(name, sentence)), ...at };
  }
  if (UNSUPPORTED.test(sentence) && instruction !== "RUN") return { code: "dockerfile_unsupported", detail: shorten(sentence), ...at };
  if (INVALID.test(sentence) && !/^(?:RUN|COPY|ADD)$/.test(instruction ?? "")) return { code: "dockerfile_invalid", detail: shorten(sentence), ...at };
  const exitCode = status === undefined ? {} : { exitCode: Number(status) };
  return { code: "build_failed", detail: sentence === "" ? `The builder ended with code ${input.exitCode}.` : shorten(sentence), ...at, ...exitCode, ...tailOf(input) };
}

const NOT_REACHED = /lookup (\S+) on \S+ no such host|Get "https?:\/\/([^/"]+)[^"]*": (?:dial tcp|net\/http|context deadline|EOF)/;

/** buildah's chain of causes for an image, as a sentence: what each registry that was asked answered. */
function imageNotFound(name: string, sentence: string): string {
  const [, mirrors = "", rest = sentence] = /\(Mirrors also failed: \[(.*?)\]\): (.*)$/s.exec(sentence) ?? [];
  const isUnknownHere = /manifest unknown|name unknown/.test(mirrors === "" ? sentence : mirrors);
  const unreached = NOT_REACHED.exec(rest);
  const parts: string[] = [];
  if (isUnknownHere) parts.push("Berth's registry does not have it");
  else if (mirrors !== "") parts.push(`Berth's registry said: ${mirrors.split(": ").slice(-2).join(": ")}`);
  if (unreached !== null) parts.push(`${unreached[1] ?? unreached[2]} cannot be reached from here`);
  else if (mirrors !== "" || !isUnknownHere) parts.push(rest.replace(/^creating build container: /, ""));
  return `The image «${name}» was not found: ${parts.join(", and ")}. Check the name and the tag.`;
}

/** buildah's words about files of the context, without its own directories and structures. */
function plain(sentence: string, instruction: string): string {
  const missing = /copier: stat: "\/?(.*?)": no such file or directory/.exec(sentence)?.[1];
  const from = /\s--from=(\S+)/.exec(instruction)?.[1];
  if (missing !== undefined) return `There is no «${missing}» in ${from === undefined ? "the build context (or .dockerignore leaves it out)" : `«${from}»`}.`;
  return sentence
    .replace(/error during bulk transfer for copier\.request\{.*\}: /s, "")
    .replace(/\/var\/lib\/containers\/tmp\/bld_\w+\/context\/?/g, "");
}

const DETAIL_MAX_CHARS = 1000;
const shorten = (text: string) => (text.length > DETAIL_MAX_CHARS ? `${text.slice(0, DETAIL_MAX_CHARS)}…` : text);
const tailOf = (input: BuildFailureInput): Partial<Failure> => (input.tail.length === 0 ? {} : { logTail: [...input.tail] });
const lastLines = (text: string) => text.trim().split("\n").slice(-20);

function where(input: BuildFailureInput): Partial<Failure> {
  if (input.position === undefined) return {};
  const found = input.dockerfile === undefined ? undefined : findInstruction(input.dockerfile, input.position);
  const instruction = shorten(input.position.text);
  return found === undefined ? { instruction } : { line: found.line, instruction };
}

/**
 * The instruction that buildah means. Steps that the base image brings (ONBUILD) stand in no line: then the nearest
 * FROM of the stage is what they come from.
 */
export function findInstruction(dockerfile: string, position: StepPosition): Instruction | undefined {
  const stages: Instruction[][] = [];
  for (const instruction of splitDockerfile(dockerfile).instructions) {
    if (instruction.name === "FROM") stages.push([instruction]);
    else stages.at(-1)?.push(instruction);
  }
  const stage = stages[position.stage];
  if (stage === undefined) return undefined;
  const name = position.text.split(/\s/, 1)[0]?.toUpperCase() ?? "";
  const squeeze = (text: string) => text.replace(/\s+/g, "");
  const said = squeeze(position.text.replace(/^\S+\s*/, "").replace(/\s\([\s\S]*\)$/, ""));
  const matches = (instruction: Instruction | undefined) =>
    instruction?.name === name && (name === "FROM" || said === "" || squeeze(textOf(instruction)).startsWith(said.slice(0, 200)));
  const byNumber = stage[position.step - 1];
  if (matches(byNumber)) return byNumber;
  return stage.find(matches) ?? (byNumber?.name === name ? byNumber : stage[0]);
}

const textOf = (instruction: Instruction) =>
  [...instruction.flags.map((flag) => `--${flag.name}${flag.value === null ? "" : `=${flag.value}`}`), instruction.args].join(" ");
