/** What can be known of a Dockerfile before anything is built: its stages, what it starts from, and what is wrong with it. */
import { checkImageName, checkInstruction, unsupportedIn, type LineError } from "./dockerfile-checks.ts";
import { secretMountsOf, type SecretMount } from "./dockerfile-secrets.ts";
import { splitDockerfile, unquote, type Directive, type Instruction } from "./dockerfile-lines.ts";

export interface Stage {
  /** From 0. */
  index: number;
  /** Lower case; undefined when it has none. */
  name: string | undefined;
  line: number;
  /** What stands after FROM, with variables filled in. */
  base: string;
  /** The earlier stage that `base` names. */
  baseStage: number | undefined;
}

/** An image that the build reads: by FROM, COPY --from or RUN --mount=from. */
export interface BaseRef {
  ref: string;
  line: number;
}

export interface ParsedDockerfile {
  stages: Stage[];
  baseRefs: BaseRef[];
  /** Of the target stage and what it stands on; ranges by their first port. */
  exposedPorts: number[];
  /** ADD of a URL or a git repository: what it gives is unknown before the build. */
  hasRemoteAdd: boolean;
  /** Of the stages that are built. */
  secretMounts: SecretMount[];
  /** What is wrong, in the order of lines. */
  errors: LineError[];
  /** What is right but not offered. */
  unsupported: LineError[];
}

export interface DockerfileOptions {
  /** Name or number of the stage to build; the last one without it. */
  target?: string | undefined;
  buildArgs?: Readonly<Record<string, string>>;
}

const FRONTEND = /^(?:docker\.io\/)?docker\/dockerfile(?:-upstream)?(?::(?:1(?:\.\d+){0,2}(?:-labs)?|latest|labs|master))?(?:@sha256:[0-9a-f]{64})?$/;
const REMOTE = /^(?:https?|ftp|git|ssh):\/\/|^git@|\$/i;
/** Arguments that exist before the first FROM by themselves. */
const PLATFORM_ARGS = {
  TARGETPLATFORM: "linux/amd64", TARGETOS: "linux", TARGETARCH: "amd64", TARGETVARIANT: "",
  BUILDPLATFORM: "linux/amd64", BUILDOS: "linux", BUILDARCH: "amd64", BUILDVARIANT: "",
};

export function parseDockerfile(text: string, options: DockerfileOptions = {}): ParsedDockerfile {
  const { directives, instructions } = splitDockerfile(text);
  const errors: LineError[] = [];
  const unsupported: LineError[] = [];
  checkDirectives(directives, errors, unsupported);
  for (const instruction of instructions) {
    const at = { line: instruction.line, instruction: instruction.name };
    errors.push(...checkInstruction(instruction).map((message) => ({ ...at, message })));
    unsupported.push(...unsupportedIn(instruction).map((message) => ({ ...at, message })));
  }
  const { stages, bodies } = readStages(instructions, options.buildArgs ?? {}, errors);
  const baseRefs: BaseRef[] = stages
    .filter((stage) => stage.baseStage === undefined && stage.base !== "scratch" && stage.base !== "")
    .map((stage) => ({ ref: stage.base, line: stage.line }));
  for (const stage of stages) baseRefs.push(...imagesReadBy(bodies[stage.index] ?? [], stage, stages, errors));
  const target = findTarget(stages, options.target);
  if (target === undefined && options.target !== undefined && stages.length > 0) {
    const names = stages.map((stage) => stage.name ?? String(stage.index)).join(", ");
    errors.push({ line: stages.at(-1)?.line ?? 1, message: `There is no stage «${options.target}»: the stages are ${names}.` });
  }
  return {
    stages,
    baseRefs,
    exposedPorts: target === undefined ? [] : exposedPorts(target, stages, bodies),
    hasRemoteAdd: instructions.some(addsRemote),
    secretMounts: target === undefined ? [] : [...builtStages(target, stages, bodies)].flatMap((index) => bodies[index] ?? []).flatMap(secretMountsOf),
    errors: errors.toSorted((a, b) => a.line - b.line),
    unsupported: unsupported.toSorted((a, b) => a.line - b.line),
  };
}

function checkDirectives(directives: readonly Directive[], errors: LineError[], unsupported: LineError[]): void {
  for (const { name, value, line } of directives) {
    if (name === "escape" && value !== "\\" && value !== "`") {
      errors.push({ line, message: `The escape character is «\\» or «\`», not «${value}».` });
    }
    if (name === "syntax" && !FRONTEND.test(value)) {
      unsupported.push({ line, message: `The frontend «${value}» is not offered: «docker/dockerfile:1» is.` });
    }
  }
}

function readStages(instructions: readonly Instruction[], buildArgs: Readonly<Record<string, string>>, errors: LineError[]): { stages: Stage[]; bodies: Instruction[][] } {
  const stages: Stage[] = [];
  const bodies: Instruction[][] = [];
  const args = new Map<string, string>(Object.entries(PLATFORM_ARGS));
  for (const instruction of instructions) {
    const { name, line, words } = instruction;
    if (name === "FROM") {
      const written = unquote(words[0] ?? "");
      const base = fillIn(written, args);
      if (written.includes("$")) {
        const wrong = base === "" ? [`«${written}» is empty: give the ARG a default before the first FROM, or a build argument.`] : checkImageName(base);
        errors.push(...wrong.map((message) => ({ line, message, instruction: "FROM" })));
      }
      const baseStage = stages.find((stage) => stage.name !== undefined && stage.name === base.toLowerCase())?.index;
      const stage: Stage = { index: stages.length, name: words.length === 3 ? words[2]?.toLowerCase() : undefined, line, base, baseStage };
      stages.push(stage);
      bodies.push([]);
    } else if (stages.length > 0) {
      bodies.at(-1)?.push(instruction);
    } else if (name === "ARG") {
      for (const word of words) defineArg(word, args, buildArgs);
    } else if (errors.every((error) => error.line !== line)) {
      errors.push({ line, message: `${name} stands before the first FROM: only ARG may.`, instruction: name });
    }
  }
  if (stages.length === 0 && errors.length === 0) {
    errors.push({ line: 1, message: instructions.length === 0 ? "The Dockerfile is empty: it must begin with FROM." : "There is no FROM: a Dockerfile says first which image it starts from." });
  }
  return { stages, bodies };
}

function defineArg(word: string, args: Map<string, string>, buildArgs: Readonly<Record<string, string>>): void {
  const equals = word.indexOf("=");
  const name = equals === -1 ? word : word.slice(0, equals);
  const given = buildArgs[name];
  if (given !== undefined) args.set(name, given);
  else if (equals !== -1) args.set(name, fillIn(unquote(word.slice(equals + 1)), args));
}

/** Fills in `$A`, `${A}`, `${A:-other}`, `${A-other}`, `${A:+other}` and `${A+other}`; what is not set is empty. */
function fillIn(text: string, args: ReadonlyMap<string, string>): string {
  return text.replace(/\$(?:([A-Za-z_]\w*)|\{([A-Za-z_]\w*)(?:(:?[-+])((?:[^{}]|\$\{[^{}]*\})*))?\})/g, (_whole, plain?: string, braced?: string, operator?: string, other?: string) => {
    const value = args.get(plain ?? braced ?? "");
    if (operator === undefined) return value ?? "";
    const isSet = value !== undefined && (!operator.startsWith(":") || value !== "");
    if (operator.endsWith("-")) return isSet ? value : fillIn(other ?? "", args);
    return isSet ? fillIn(other ?? "", args) : "";
  });
}

/** Images that COPY --from and RUN --mount=from read in the stage. A number or name of a stage must be an earlier one. */
function imagesReadBy(body: readonly Instruction[], stage: Stage, stages: readonly Stage[], errors: LineError[]): BaseRef[] {
  const refs: BaseRef[] = [];
  for (const instruction of body) {
    for (const from of fromFlags(instruction)) {
      const error = wrongStage(from, stage, stages);
      if (error !== undefined) errors.push({ line: instruction.line, message: error, instruction: instruction.name });
      const known = /^\d+$/.test(from) || stages.some((other) => other.name === from.toLowerCase());
      if (!known && from !== "") refs.push({ ref: from, line: instruction.line });
    }
  }
  return refs;
}

function fromFlags({ name, flags, words }: Instruction): string[] {
  if (name === "COPY") return flags.flatMap((flag) => (flag.name === "from" && flag.value !== null ? [flag.value] : []));
  if (name === "RUN") return flags.flatMap((flag) => (flag.name === "mount" ? (/(?:^|,)from=([^,]*)/.exec(flag.value ?? "")?.slice(1) ?? []) : []));
  // A trigger runs in another build, whose stages are its own: only images count here.
  if (name === "ONBUILD") return words.flatMap((word) => /^--from=(.*\D.*)$/.exec(word)?.slice(1) ?? []);
  return [];
}

function wrongStage(from: string, stage: Stage, stages: readonly Stage[]): string | undefined {
  if (/^\d+$/.test(from)) {
    const index = Number(from);
    if (index < stage.index) return undefined;
    if (index === stage.index) return `--from=${from} names the stage that it stands in.`;
    return `There is no stage ${from} before this line: stages count from 0.`;
  }
  const named = stages.filter((other) => other.name === from.toLowerCase());
  if (named.length === 0 || named.some((other) => other.index < stage.index)) return undefined;
  if (named.some((other) => other.index === stage.index)) return `--from=${from} names the stage that it stands in.`;
  return `The stage «${from}» comes later, on line ${named[0]?.line}: a stage can only read earlier ones.`;
}

function findTarget(stages: readonly Stage[], target: string | undefined): Stage | undefined {
  if (target === undefined) return stages.at(-1);
  const named = stages.findLast((stage) => stage.name === target.toLowerCase());
  return named ?? (/^\d+$/.test(target) ? stages[Number(target)] : undefined);
}

/** The target, what it stands on, and what these read from; as numbers, in order. */
function builtStages(target: Stage, stages: readonly Stage[], bodies: readonly Instruction[][]): Set<number> {
  const found = new Set<number>([target.index]);
  // A set gives what is added while it is walked.
  for (const index of found) {
    const base = stages[index]?.baseStage;
    if (base !== undefined) found.add(base);
    for (const from of (bodies[index] ?? []).flatMap(fromFlags)) {
      const stage = stages.find((other) => other.index < index && (String(other.index) === from || other.name === from.toLowerCase()));
      if (stage !== undefined) found.add(stage.index);
    }
  }
  return new Set([...found].toSorted((a, b) => a - b));
}

function exposedPorts(target: Stage, stages: readonly Stage[], bodies: readonly Instruction[][]): number[] {
  const ports = new Set<number>();
  for (let at: Stage | undefined = target; at !== undefined; at = at.baseStage === undefined ? undefined : stages[at.baseStage]) {
    for (const { name, words } of bodies[at.index] ?? []) {
      if (name !== "EXPOSE") continue;
      for (const word of words) {
        const port = Number.parseInt(unquote(word), 10);
        if (port >= 1 && port <= 65_535) ports.add(port);
      }
    }
  }
  return [...ports].toSorted((a, b) => a - b);
}

function addsRemote({ name, args, words }: Instruction): boolean {
  const sources = name === "ONBUILD" ? (words[0]?.toUpperCase() === "ADD" ? words.slice(1, -1) : []) : name === "ADD" ? words.slice(0, -1) : [];
  if (name === "ADD" && args.startsWith("[")) return /"(?:https?|ftp|git|ssh):\/\/|"git@|\$/i.test(args);
  return sources.some((source) => REMOTE.test(unquote(source)));
}
