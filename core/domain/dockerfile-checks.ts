/** What one instruction of a Dockerfile must look like, said in sentences that help. */
import { unsupportedSecretEnv } from "./dockerfile-secrets.ts";
import { unquote, type Instruction } from "./dockerfile-lines.ts";

/** An error at a 1-based line. */
export interface LineError {
  line: number;
  message: string;
  instruction?: string;
}

const INSTRUCTIONS = [
  "ADD", "ARG", "CMD", "COPY", "ENTRYPOINT", "ENV", "EXPOSE", "FROM", "HEALTHCHECK", "LABEL",
  "MAINTAINER", "ONBUILD", "RUN", "SHELL", "STOPSIGNAL", "USER", "VOLUME", "WORKDIR",
];
const FLAGS: Record<string, readonly string[]> = {
  FROM: ["platform"],
  RUN: ["mount", "network", "security", "device"],
  COPY: ["from", "chown", "chmod", "link", "parents", "exclude"],
  ADD: ["chown", "chmod", "link", "checksum", "keep-git-dir", "unpack", "exclude"],
  HEALTHCHECK: ["interval", "timeout", "start-period", "start-interval", "retries"],
};
const MOUNT_TYPES = ["bind", "cache", "tmpfs", "secret", "ssh"];
const MAY_BE_EMPTY = new Set(["CMD", "ENTRYPOINT", "HEALTHCHECK"]);
const EXPOSE = /^(\d+)(?:-(\d+))?(?:\/(?:tcp|udp|sctp))?$/i;

/** What is wrong with the instruction by itself; empty when nothing is. */
export function checkInstruction(instruction: Instruction): string[] {
  const { name, args, words } = instruction;
  if (!INSTRUCTIONS.includes(name)) return [`«${name}» is not an instruction${suggest(name, INSTRUCTIONS)}`];
  const wrong = [...checkFlags(instruction), ...checkHeredocs(instruction)];
  if (args === "" && !MAY_BE_EMPTY.has(name)) return [...wrong, `${name} needs an argument.`];
  switch (name) {
    case "FROM":
      return [...wrong, ...checkFrom(words)];
    case "EXPOSE":
      return [...wrong, ...words.flatMap(checkPort)];
    case "ENV":
      return words.length === 1 && !args.includes("=") ? [...wrong, `ENV ${args} has no value: write «ENV ${args}=…».`] : wrong;
    case "COPY":
    case "ADD":
      return words.length < 2 && !args.startsWith("[") ? [...wrong, `${name} needs at least one source and a destination.`] : wrong;
    case "SHELL":
      return isStringArray(args) ? wrong : [...wrong, 'SHELL takes a JSON array, such as ["/bin/bash", "-c"].'];
    case "HEALTHCHECK":
      return /^(NONE|CMD\s+\S)/i.test(args) ? wrong : [...wrong, "HEALTHCHECK takes NONE, or CMD and a command."];
    case "ONBUILD": {
      const trigger = words[0]?.toUpperCase() ?? "";
      if (["ONBUILD", "FROM", "MAINTAINER"].includes(trigger)) return [...wrong, `ONBUILD ${trigger} is not allowed.`];
      return INSTRUCTIONS.includes(trigger) ? wrong : [...wrong, `«${trigger}» is not an instruction${suggest(trigger, INSTRUCTIONS)}`];
    }
    default:
      return wrong;
  }
}

/** What is right in a Dockerfile but not offered by Berth. */
export function unsupportedIn(instruction: Instruction): string[] {
  const flags = instruction.name === "ONBUILD" ? flagsOfWords(instruction.words.slice(1)) : instruction.flags;
  const name = instruction.name === "ONBUILD" ? instruction.words[0]?.toUpperCase() : instruction.name;
  if (name !== "RUN") return [];
  const secretEnv = unsupportedSecretEnv(instruction);
  if (secretEnv.length > 0) return secretEnv;
  return flags.flatMap((flag) => {
    if (flag.name === "network" && flag.value === "host") return ["RUN --network=host is not offered: a build has a network of its own."];
    if (flag.name === "security" && flag.value === "insecure") return ["RUN --security=insecure is not offered: a build gets no privilege."];
    if (flag.name === "device") return ["RUN --device is not offered: a build gets no device."];
    return [];
  });
}

function flagsOfWords(words: readonly string[]): { name: string; value: string | null }[] {
  const end = words.findIndex((word) => !word.startsWith("--"));
  return words.slice(0, end === -1 ? words.length : end).map((word) => {
    const [name = "", ...value] = word.slice(2).split("=");
    return { name, value: value.length === 0 ? null : unquote(value.join("=")) };
  });
}

function checkFlags({ name, flags }: Instruction): string[] {
  const known = FLAGS[name];
  if (known === undefined) return [];
  return flags.flatMap((flag) => {
    if (!known.includes(flag.name)) return [`${name} has no flag «--${flag.name}»${suggest(flag.name, known, "--")}`];
    const type = flag.name === "mount" ? /(?:^|,)type=([^,]*)/.exec(flag.value ?? "")?.[1] : undefined;
    if (type !== undefined && !type.includes("$") && !MOUNT_TYPES.includes(unquote(type))) {
      return [`RUN --mount has no type «${type}»${suggest(type, MOUNT_TYPES)}`];
    }
    return [];
  });
}

function checkHeredocs({ heredocs }: Instruction): string[] {
  return heredocs.filter((h) => !h.terminated).map((h) => `The heredoc «<<${h.name}» has no end: a line with ${h.name} alone is missing.`);
}

function checkFrom(words: readonly string[]): string[] {
  const [image = "", as, stage = ""] = words;
  if (words.length === 2 || words.length > 3 || (words.length === 3 && as?.toUpperCase() !== "AS")) {
    if (words.some((word) => word.startsWith("#"))) return ["A comment must stand on a line of its own: FROM takes an image and, if wanted, AS and a name."];
    return ["FROM takes an image and, if wanted, AS and a name: «FROM image AS name»."];
  }
  if (words.length === 3 && !/^[a-z][a-z0-9_.-]*$/i.test(stage)) {
    return [`«${stage}» cannot name a stage: letters, digits, «-», «_» and «.», starting with a letter.`];
  }
  return image.includes("$") ? [] : checkImageName(unquote(image));
}

/** What is wrong with the name of an image, after variables were filled in. */
export function checkImageName(image: string): string[] {
  if (image === "") return ["The image's name is empty."];
  const [path = ""] = image.split("@", 1);
  const slash = path.lastIndexOf("/");
  const colon = path.indexOf(":", slash + 1);
  const repository = colon === -1 ? path : path.slice(0, colon);
  const tag = colon === -1 ? undefined : path.slice(colon + 1);
  const name = repository.replace(/^[^/]*[.:][^/]*\/|^localhost\//, "");
  if (/[A-Z]/.test(name)) return [`«${image}» is no image's name: it must be in lower case.`];
  if (!/^[a-z0-9]+(?:(?:[._/]|__|-+)[a-z0-9]+)*$/.test(name)) return [`«${image}» is no image's name.`];
  if (tag !== undefined && !/^\w[\w.-]{0,127}$/.test(tag)) return [`«${tag}» is no tag of an image.`];
  if (image.includes("@") && !/@[a-z0-9+._-]+:[0-9a-f]{32,}$/.test(image)) return [`«${image}» has no valid digest after the «@».`];
  return [];
}

function checkPort(word: string): string[] {
  const port = unquote(word);
  if (port.includes("$")) return [];
  const [, first, last = first] = EXPOSE.exec(port) ?? [];
  const numbers = [Number(first), Number(last)];
  if (first === undefined) return [`EXPOSE ${port}: a port is a number from 1 to 65535, with «/tcp» or «/udp» if wanted.`];
  if (numbers.some((n) => n < 1 || n > 65_535) || Number(first) > Number(last)) return [`EXPOSE ${port}: a port is from 1 to 65535.`];
  return [];
}

function isStringArray(text: string): boolean {
  try {
    const value: unknown = JSON.parse(text);
    return Array.isArray(value) && value.length > 0 && value.every((v) => typeof v === "string");
  } catch {
    return false;
  }
}

/** The end of the sentence: `: did you mean «RUN»?` when something is near. */
function suggest(word: string, known: readonly string[], prefix = ""): string {
  const near = known.map((k) => ({ k, d: distance(word.toLowerCase(), k.toLowerCase()) })).toSorted((a, b) => a.d - b.d)[0];
  return near !== undefined && near.d <= Math.max(1, Math.floor(near.k.length / 3)) ? `: did you mean «${prefix}${near.k}»?` : ".";
}

/** Edits from one word to the other, a swap of neighbours counting as one. */
function distance(a: string, b: string): number {
  const rows: number[][] = Array.from({ length: a.length + 1 }, (_, i) => [i]);
  for (let j = 0; j <= b.length; j++) rows[0]![j] = j;
  for (let i = 1; i <= a.length; i++) {
    for (let j = 1; j <= b.length; j++) {
      const cost = a[i - 1] === b[j - 1] ? 0 : 1;
      let best = Math.min(rows[i - 1]![j]! + 1, rows[i]![j - 1]! + 1, rows[i - 1]![j - 1]! + cost);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) best = Math.min(best, rows[i - 2]![j - 2]! + 1);
      rows[i]![j] = best;
    }
  }
  return rows[a.length]![b.length]!;
}
