/** Reading `berth.yaml`: every mistake is told with file, line and field. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Document, LineCounter } from "yaml";
import type { SettingsPatch } from "../client/index.ts";
import type { AppFile } from "../core/contract/app-file.ts";
import { CliError, EXIT, usageError } from "./errors.ts";

const APP_FILE = "berth.yaml";
const MAX_BYTES = 256 * 1024;
const MAX_PROBLEMS = 10;

interface Source {
  path: string;
  document: Document;
  lines: LineCounter;
}

/** The directory's own file, or the one that was named; undefined: there is none. @throws CliError */
export async function readAppFile(directory: string, named?: string): Promise<AppFile | undefined> {
  const source = await open(named ?? join(directory, APP_FILE), named !== undefined);
  if (source === undefined) return undefined;
  const { AppFileSchema } = await import("../core/contract/app-file.ts");
  const value: unknown = toValue(source) ?? {};
  const parsed = AppFileSchema.safeParse(value);
  if (!parsed.success) throw problems(source, parsed.error.issues.flatMap((issue) => describe(source, issue)));
  return value as AppFile;
}

/** Which app the directory's file is of; undefined: it does not say. @throws CliError */
export async function appOfFile(directory: string): Promise<string | undefined> {
  const source = await open(join(directory, APP_FILE), false);
  const app = source?.document.get("app");
  return typeof app === "string" ? app : undefined;
}

/**
 * A file's settings are all of them: what it does not name goes back to its default. What was said on the command line
 * wins. Undefined settings (a file without the field, or no file) leave the app's as they are.
 */
export async function allSettings(named: AppFile["settings"], flags: SettingsPatch): Promise<SettingsPatch> {
  if (named === undefined) return flags;
  const [{ SettingsPatchSchema, SettingsSchema }, { ScalingPatchSchema }, { RequestFeaturesPatchSchema }] = await Promise.all([
    import("../core/contract/release-config.ts"), import("../core/contract/scaling.ts"), import("../core/contract/request-features.ts"),
  ]);
  const defaults: Record<string, unknown> = SettingsSchema.parse({});
  const all: Record<string, unknown> = Object.fromEntries(
    Object.entries(SettingsPatchSchema.shape).map(([name, schema]) => [name, schema.safeParse(null).success ? null : defaults[name]]),
  );
  const nulls = (schema: { shape: object }) => Object.fromEntries(Object.keys(schema.shape).map((name) => [name, null]));
  const http = named.http || flags.http ? { ...nulls(RequestFeaturesPatchSchema), ...named.http, ...flags.http } : null;
  const scaling = flags.replicas === undefined && (named.scaling || flags.scaling) ? { ...nulls(ScalingPatchSchema), ...named.scaling, ...flags.scaling } : null;
  return { ...all, ...named, ...flags, scaling, http } as SettingsPatch;
}

async function open(path: string, mustBe: boolean): Promise<Source | undefined> {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (!mustBe && (code === "ENOENT" || code === "ENOTDIR")) return undefined;
    throw usageError(`${path} cannot be read: ${code === "ENOENT" ? "there is no such file" : (error as Error).message}.`);
  }
  if (text.length > MAX_BYTES) throw usageError(`${path} is larger than ${MAX_BYTES / 1024} KiB.`);
  const { LineCounter, parseDocument } = await import("yaml");
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const source = { path, document, lines };
  if (document.errors.length > 0) throw problems(source, document.errors.map((error) => ({ line: lines.linePos(error.pos[0]).line, field: "", message: error.message })));
  return source;
}

function toValue(source: Source): unknown {
  try {
    return source.document.toJS({ maxAliasCount: 100 });
  } catch (error) {
    throw problems(source, [{ line: 1, field: "", message: (error as Error).message }]);
  }
}

interface Problem {
  line: number;
  field: string;
  message: string;
}

interface Issue {
  path: readonly PropertyKey[];
  code: string;
  message: string;
  keys?: readonly string[];
  expected?: string;
  errors?: readonly (readonly Issue[])[];
}

function describe(source: Source, issue: Issue): Problem[] {
  if (issue.code === "unrecognized_keys" && issue.keys !== undefined) {
    return issue.keys.map((key) => problemAt(source, [...issue.path, key], "there is no such field"));
  }
  const isWord = issue.code === "invalid_type" && issue.expected === "string" && source.document.hasIn(issue.path as string[]);
  return [problemAt(source, issue.path, isWord ? "must be text: put it into quotes" : plain(issue.message))];
}

/** zod's words for what it finds, without the preamble. */
const plain = (message: string) => message.replace(/^Invalid input: /, "");

function problemAt({ document, lines }: Source, path: readonly PropertyKey[], message: string): Problem {
  return { line: lineOf(document, lines, path), field: path.map(String).join("."), message };
}

/** Of the field's name; of what is nearest around it when it is not there. */
function lineOf(document: Document, lines: LineCounter, path: readonly PropertyKey[]): number {
  let line = 1;
  let node: unknown = document.contents;
  for (const part of path) {
    const found = child(node, part);
    if (found === undefined) break;
    const at = found.key ?? found.value;
    const offset = rangeOf(at)?.[0];
    if (offset !== undefined) line = lines.linePos(offset).line;
    node = found.value;
  }
  return line;
}

interface Node {
  items?: unknown[];
  range?: [number, number, number] | null;
  value?: unknown;
}

const rangeOf = (node: unknown) => (node as Node | null)?.range;

function child(node: unknown, part: PropertyKey): { key?: unknown; value: unknown } | undefined {
  const items = (node as Node | null)?.items;
  if (items === undefined) return undefined;
  if (typeof part === "number") return part < items.length ? { value: items[part] } : undefined;
  return (items as { key?: Node; value: unknown }[]).find(({ key }) => String(key?.value) === String(part));
}

function problems({ path }: Source, found: readonly Problem[]): CliError {
  const fields = found.slice(0, MAX_PROBLEMS).map(({ line, field, message }) => ({ path: `${path}:${line}`, message: field === "" ? message : `${field} ${message}` }));
  const [first] = fields;
  return new CliError(first === undefined ? `${path} is not valid.` : `${first.path}: ${first.message}`, { exitCode: EXIT.usage, code: "app_file_invalid", fields, hint: "All fields are in docs/app-file.md." });
}
