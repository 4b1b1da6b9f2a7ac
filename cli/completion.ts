/**
 * What the shell offers at TAB: commands and options as commander has them, and values that the API or the
 * configuration knows. The shells' side of it is in `completion-scripts.ts`.
 */
import type { Argument, Command, Option } from "commander";
import { chooseApp } from "./app-name.ts";
import { createClient } from "./client.ts";
import { readConfig, resolveTarget } from "./config.ts";
import { createProgram } from "./program.ts";

/** Who presses TAB waits. */
const VALUES_TIMEOUT_MS = 2000;

export type Kind = "apps" | "contexts" | "releases" | "variables" | "secrets" | "files";
export interface Value {
  value: string;
  description: string;
}

/** Options and arguments whose values are known, by name; arguments of one command alone with its name before. */
const KINDS: Record<string, Kind> = {
  "--app": "apps",
  "[app]": "apps",
  "--from": "apps",
  "--to": "apps",
  "--context": "contexts",
  "context [name]": "contexts",
  "rollback [release]": "releases",
  "env unset [names]": "variables",
  "secrets unset [names]": "secrets",
  "deploy [dir]": "files",
  "--file": "files",
};

/** Prints what may stand in place of the last word: «values» or «files», then a value and its description a line. */
export async function complete(words: readonly string[]): Promise<void> {
  const wanted = wantedAt(await createProgram(words.length === 0 ? [""] : words), words);
  const known = wanted.kind === undefined || wanted.kind === "files" ? [] : await withinTime(valuesOf(wanted.kind, words));
  const lines = [...wanted.values, ...known].filter(({ value }) => value.startsWith(wanted.begun)).map(({ value, description }) => `${wanted.before}${value}\t${description}\n`);
  process.stdout.write(`${wanted.kind === "files" ? "files" : "values"}\n${lines.join("")}`);
}

export interface Wanted {
  /** The beginning of the value that was typed already, and what stands before it in the same word. */
  begun: string;
  before: string;
  /** What is known without asking. */
  values: Value[];
  kind: Kind | undefined;
}

/** What is asked for at the last of the words. Pure. */
export function wantedAt(program: Command, words: readonly string[]): Wanted {
  const current = words.at(-1) ?? "";
  const at = walk(program, words.slice(0, -1));
  // Bash makes words of their own of «--app=web».
  if (at.open !== undefined) return { begun: current === "=" ? "" : current, before: "", ...valuesFor(at.open, at.open.long ?? "", "") };
  const [, name = "", value = ""] = /^(--[a-z-]+)=(.*)$/.exec(current) ?? [];
  const joined = optionOf(at.command, name);
  if (joined !== undefined && takesValue(joined)) return { begun: value, before: `${name}=`, ...valuesFor(joined, name, "") };
  if (current.startsWith("-") && !at.isPlain) return { begun: current, before: "", values: at.command.createHelp().visibleOptions(at.command).flatMap(offerOption), kind: undefined };
  const isShown = (each: Command) => at.command === program || each.name() !== "help";
  const commands = at.positionals === 0 ? at.command.createHelp().visibleCommands(at.command).filter(isShown).map((each) => ({ value: each.name(), description: each.summary() || each.description() })) : [];
  const { registeredArguments } = at.command;
  const last = registeredArguments.at(-1);
  const argument = registeredArguments[at.positionals] ?? (last?.variadic === true ? last : undefined);
  if (argument === undefined) return { begun: current, before: "", values: commands, kind: undefined };
  const { values, kind } = valuesFor(argument, `[${argument.name()}]`, at.path);
  return { begun: current, before: "", values: [...commands, ...values], kind };
}

interface Place {
  command: Command;
  /** `secrets unset`. */
  path: string;
  positionals: number;
  /** The option whose value comes next. */
  open: Option | undefined;
  /** Behind `--`. */
  isPlain: boolean;
}

function walk(program: Command, words: readonly string[]): Place {
  const place: Place = { command: program, path: "", positionals: 0, open: undefined, isPlain: false };
  for (const word of words) {
    if (word === "=" && place.open !== undefined) continue;
    if (place.open !== undefined) place.open = undefined;
    else if (word === "--") place.isPlain = true;
    else if (word.startsWith("-") && !place.isPlain) {
      const option = optionOf(place.command, word);
      if (option !== undefined && takesValue(option)) place.open = option;
    } else {
      const next = place.positionals === 0 ? place.command.commands.find((each) => each.name() === word) : undefined;
      if (next === undefined) place.positionals++;
      else Object.assign(place, { command: next, path: `${place.path} ${word}`.trim() });
    }
  }
  return place;
}

const optionOf = (command: Command, word: string) => command.options.find(({ long, short }) => word !== "" && (word === long || word === short));
const takesValue = (option: Option) => option.required || option.optional;
const offerOption = ({ long, description }: Option): Value[] => (long === undefined ? [] : [{ value: long, description }]);

function valuesFor(of: Option | Argument, name: string, path: string): Pick<Wanted, "values" | "kind"> {
  return { values: (of.argChoices ?? []).map((value) => ({ value, description: "" })), kind: KINDS[`${path} ${name}`] ?? KINDS[name] };
}

/** Nothing that goes wrong here is worth a word on the line that somebody types. */
async function withinTime(values: Promise<Value[]>): Promise<Value[]> {
  const late = new Promise<Value[]>((resolve) => setTimeout(resolve, VALUES_TIMEOUT_MS, []).unref());
  return Promise.race([values, late]).catch(() => []);
}

async function valuesOf(kind: Exclude<Kind, "files">, words: readonly string[]): Promise<Value[]> {
  if (kind === "contexts") return Object.entries(readConfig(process.env).contexts).map(([value, { api }]) => ({ value, description: api }));
  const client = createClient(resolveTarget(process.env, given(words, "--context")));
  if (kind === "apps") return (await client.apps()).map(({ name, url }) => ({ value: name, description: url }));
  const app = words.includes("--shared") ? undefined : await chooseApp(given(words, "--app", "-a"), ".");
  if (kind === "secrets") return (await client.secrets(app)).filter(({ shared }) => shared === (app === undefined)).map(({ name, kind: of }) => ({ value: name, description: of }));
  if (kind === "variables") return Object.keys(app === undefined ? await client.sharedEnv() : await client.env(app)).map((value) => ({ value, description: "" }));
  return app === undefined ? [] : (await client.releases(app, 20)).map(({ name, reason, live }) => ({ value: name, description: live ? "live" : reason }));
}

/** The value of an option in the line so far. */
function given(words: readonly string[], ...names: string[]): string | undefined {
  const at = words.findIndex((word) => names.includes(word));
  if (at !== -1) return words[words[at + 1] === "=" ? at + 2 : at + 1] || undefined;
  const joined = words.find((word) => names.some((name) => word.startsWith(`${name}=`)));
  return joined?.slice(joined.indexOf("=") + 1);
}
