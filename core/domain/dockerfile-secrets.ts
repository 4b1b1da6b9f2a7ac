/** What RUN mounts of a build's secrets. Pure. */
import { splitDockerfile, type Instruction } from "./dockerfile-lines.ts";

export interface SecretMount {
  /** As `berth secrets` names it; undefined when it stands in a variable, and so may be any. */
  id: string | undefined;
  isRequired: boolean;
  line: number;
}

/** `--mount=type=secret,…` of RUN, and of RUN within ONBUILD. */
export function secretMountsOf({ name, flags, words, line }: Instruction): SecretMount[] {
  const values =
    name === "RUN"
      ? flags.flatMap((flag) => (flag.name === "mount" && flag.value !== null ? [flag.value] : []))
      : name === "ONBUILD" && words[0]?.toUpperCase() === "RUN"
        ? words.flatMap((word) => (word.startsWith("--mount=") ? [word.slice("--mount=".length)] : []))
        : [];
  return values.flatMap((value) => {
    const options = readOptions(value);
    if (options.get("type") !== "secret") return [];
    const target = options.get("target") ?? options.get("dst") ?? options.get("destination");
    const id = options.get("id") ?? options.get("source") ?? options.get("src") ?? target?.split("/").at(-1) ?? "";
    // What ONBUILD says is for another build.
    return [{ id: id.includes("$") ? undefined : id, isRequired: name === "RUN" && isTrue(options.get("required")), line }];
  });
}

/** Where a secret that becomes a variable is mounted: buildah 1.39 mounts files alone. */
const envFile = (name: string) => `/run/secrets/.env.${name}`;
const ENV_NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;

/** Variables that RUN takes from secrets, by `env=`. */
function envOf(flag: Instruction["flags"][number]): string | undefined {
  if (flag.name !== "mount" || flag.value === null) return undefined;
  const options = readOptions(flag.value);
  return options.get("type") === "secret" ? options.get("env") : undefined;
}

/** What of `env=` is not offered. */
export function unsupportedSecretEnv(instruction: Instruction): string[] {
  const { name, args, heredocs, words } = instruction;
  if (name === "ONBUILD") return words.some((word) => /^--mount=.*\btype=secret\b.*\benv=/.test(word)) ? ["ONBUILD RUN --mount=type=secret,env=… is not offered: mount it as a file."] : [];
  const wanted = name === "RUN" ? instruction.flags.flatMap((flag) => envOf(flag) ?? []) : [];
  if (wanted.length === 0) return [];
  const wrong = wanted.find((variable) => !ENV_NAME.test(variable));
  if (wrong !== undefined) return [`RUN --mount=type=secret,env=${wrong}: that is no variable's name.`];
  return args.startsWith("[") || heredocs.length > 0 ? ["RUN --mount=type=secret,env=… is offered for a command of the shell form, without a heredoc: mount it as a file."] : [];
}

/** The same Dockerfile with variables from secrets read from files by the command itself. Line numbers stay. */
export function withSecretEnvFromFiles(text: string): string {
  const lines = text.split("\n");
  for (const { name, flags, args, line, headEndLine } of splitDockerfile(text).instructions) {
    const variables = name === "RUN" ? flags.flatMap((flag) => envOf(flag) ?? []) : [];
    if (variables.length === 0) continue;
    const rewritten = flags.flatMap((flag) => {
      const variable = envOf(flag);
      return [...(variable === undefined ? [`--${flag.name}${flag.value === null ? "" : `=${flag.value}`}`] : mountsFor(variable, flag.value ?? ""))];
    });
    const reads = variables.map((variable) => `if [ -e ${envFile(variable)} ]; then export ${variable}="$(cat ${envFile(variable)})"; fi;`);
    lines[line - 1] = ["RUN", ...rewritten, ...reads, args].join(" ");
    lines.fill("", line, headEndLine);
  }
  return lines.join("\n");
}

/** The file that is read, and the one that was asked for beside the variable. */
function mountsFor(variable: string, value: string): string[] {
  const parts = value.split(",").filter((part) => !/^env=/i.test(part.trim()));
  const isTarget = (part: string) => /^(?:target|dst|destination)=/i.test(part.trim());
  const read = `--mount=${[...parts.filter((part) => !isTarget(part)), `target=${envFile(variable)}`].join(",")}`;
  return parts.some(isTarget) ? [read, `--mount=${parts.join(",")}`] : [read];
}

/** `a=b,c` as pairs; a name alone is true. */
function readOptions(value: string): Map<string, string> {
  return new Map(
    value.split(",").map((part) => {
      const [key = "", ...rest] = part.split("=");
      return [key.trim().toLowerCase(), rest.length === 0 ? "true" : rest.join("=").replace(/^(["'])(.*)\1$/, "$2")];
    }),
  );
}

const isTrue = (text: string | undefined) => /^(?:true|1|t)$/i.test(text ?? "");

/** The mounts that a build must have, and for which there is no secret of that name. */
export function missingSecrets(mounts: readonly SecretMount[], names: ReadonlySet<string>): { id: string; line: number; message: string }[] {
  return mounts.flatMap(({ id, isRequired, line }) =>
    isRequired && id !== undefined && !names.has(id) ? [{ id, line, message: `There is no secret «${id}» of the kind «build»: set one for the app or the tenant.` }] : [],
  );
}

/** Those of the given secrets that the mounts name; all of them when a name is not known before building. */
export function mountedSecrets<T extends { name: string }>(mounts: readonly SecretMount[], secrets: readonly T[]): T[] {
  const ids = new Set(mounts.map(({ id }) => id));
  return ids.has(undefined) ? [...secrets] : secrets.filter(({ name }) => ids.has(name));
}
