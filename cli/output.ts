/**
 * What the user sees. On a terminal: colours, spinners, tables. In a pipe: the same words, plain.
 * `--json`: only JSON on stdout. `--quiet`: only the result on stdout. Errors and warnings go to stderr.
 */
import { stripVTControlCharacters } from "node:util";
import picocolors from "picocolors";
import type { CliError } from "./errors.ts";

export interface OutputOptions {
  json?: boolean;
  quiet?: boolean;
  stdout?: Stream;
  stderr?: Stream;
  env?: Record<string, string | undefined>;
}
export type Stream = Pick<NodeJS.WriteStream, "write"> & { isTTY?: boolean; columns?: number };

export interface Spinner {
  update(text: string): void;
  /** Takes the spinner away, and leaves the text as a line where there is one. */
  stop(text?: string): void;
}

export interface Output {
  readonly json: boolean;
  readonly quiet: boolean;
  /** Stdout is a terminal, and neither `--json` nor `--quiet` was asked for. */
  readonly live: boolean;
  readonly colors: ReturnType<typeof picocolors.createColors>;
  /** For people: nothing with `--json` or `--quiet`. */
  line(text?: string): void;
  /** A line of somebody's log: colours only on a terminal, never any other control sequence. */
  log(text: string): void;
  /** The result itself, also with `--quiet`; not with `--json`. */
  result(text: string): void;
  /** One line of JSON, with `--json` alone. */
  event(value: unknown): void;
  /** The result as one JSON document, with `--json` alone. */
  document(value: unknown): void;
  warn(text: string): void;
  error(error: CliError): void;
  table(head: readonly string[], rows: readonly (readonly string[])[]): Promise<void>;
  spinner(text: string): Promise<Spinner>;
  /** Holds back lines while a question is on the screen. */
  pause(): void;
  resume(): void;
  /** Takes a spinner away and gives the cursor back. */
  close(): void;
}

const LIBRARY_NOISE = { "top": "", "top-mid": "", "top-left": "", "top-right": "", "bottom": "", "bottom-mid": "", "bottom-left": "", "bottom-right": "", "left": "", "left-mid": "", "mid": "", "mid-mid": "", "right": "", "right-mid": "", "middle": "  " };

export function createOutput(options: OutputOptions = {}): Output {
  const { json = false, quiet = false, env = process.env } = options;
  const stdout: Stream = options.stdout ?? process.stdout;
  const stderr: Stream = options.stderr ?? process.stderr;
  const tty = stdout.isTTY === true && env["TERM"] !== "dumb";
  const colors = picocolors.createColors(wantsColor(env, tty));
  const errorColors = picocolors.createColors(wantsColor(env, stderr.isTTY === true));
  const live = tty && !json && !quiet;
  const human = !json && !quiet;
  let held: string[] | undefined;
  let running: { spinner: Spinner; clear: () => void } | undefined;

  const put = (text: string) => {
    if (held !== undefined) {
      held.push(text);
      return;
    }
    // The spinner draws itself again below the new line.
    running?.clear();
    stdout.write(`${text}\n`);
  };
  const close = () => running?.spinner.stop();
  const output: Output = {
    json,
    quiet,
    live,
    colors,
    line: (text = "") => human && put(text),
    log: (text) => human && put(safeLogText(text, colors.isColorSupported)),
    result: (text) => !json && put(text),
    event: (value) => json && put(JSON.stringify(value)),
    document: (value) => json && put(JSON.stringify(value, null, tty ? 2 : undefined)),
    warn: (text) => stderr.write(`${errorColors.yellow("warning:")} ${text}\n`),
    error(error) {
      close();
      stderr.write(json ? `${JSON.stringify(errorDocument(error))}\n` : renderError(error, errorColors));
    },
    async table(head, rows) {
      if (!human) return;
      const { default: Table } = await import("cli-table3");
      const table = new Table({ chars: LIBRARY_NOISE, style: { "padding-left": 0, "padding-right": 0, head: [], border: [] }, head: head.map((cell) => colors.dim(cell)) });
      for (const row of rows) table.push([...row]);
      put(table.toString().replace(/[ \t]+$/gm, ""));
    },
    async spinner(text) {
      if (!live) return { update: () => {}, stop: (last) => last !== undefined && output.line(last) };
      const { default: yoctoSpinner } = await import("yocto-spinner");
      close();
      const drawn = yoctoSpinner({ text, stream: process.stdout, handleSignals: false });
      const spinner: Spinner = {
        update: (next) => (drawn.text = next),
        stop(last) {
          drawn.stop();
          if (running?.spinner === spinner) running = undefined;
          if (last !== undefined) output.line(last);
        },
      };
      if (held === undefined) {
        drawn.start();
        running = { spinner, clear: () => drawn.clear() };
      }
      return spinner;
    },
    pause() {
      close();
      held ??= [];
    },
    resume() {
      const lines = held ?? [];
      held = undefined;
      for (const text of lines) put(text);
    },
    close,
  };
  return output;
}

/** `NO_COLOR` (https://no-color.org) and `FORCE_COLOR` decide; else whether somebody looks. */
export function wantsColor(env: Record<string, string | undefined>, tty: boolean): boolean {
  if (env["NO_COLOR"]) return false;
  if (env["FORCE_COLOR"] && env["FORCE_COLOR"] !== "0") return true;
  return tty;
}

// Everything that moves the cursor, sets a title or rings: an app's log must not repaint our terminal.
// oxlint-disable-next-line no-control-regex
const NOT_A_COLOR = /[\u0000-\u0008\u000b-\u001a\u001c-\u001f\u007f-\u009f]|\u001b(?!\[[\d;]*m)/g;
// oxlint-disable-next-line no-control-regex
const CONTROL = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g;

/** A log line that is safe to print: colours at most. */
export function safeLogText(text: string, colors: boolean): string {
  const whole = text.replace(/\r$/, "");
  if (!colors) return stripVTControlCharacters(whole).replace(CONTROL, "");
  const cleaned = whole.replace(/\u001b\][^\u0007\u001b]*(?:\u0007|\u001b\\)/g, "").replace(/\u001b\[[\d;?]*[A-Za-ln-z]/g, "").replace(NOT_A_COLOR, "");
  return cleaned.includes("\u001b") ? `${cleaned}\u001b[0m` : cleaned;
}

/** How `--json` says an error, on stderr. */
export function errorDocument(error: CliError): { error: Record<string, unknown>; exitCode: number } {
  const { code, hint, failure, requestId, fields } = error.details;
  return {
    error: {
      code: code ?? "failed",
      detail: error.message,
      ...(hint === undefined ? {} : { hint }),
      ...(failure?.line === undefined ? {} : { line: failure.line }),
      ...(failure?.instruction === undefined ? {} : { instruction: failure.instruction }),
      ...(failure?.exitCode === undefined ? {} : { exitCode: failure.exitCode }),
      ...(failure?.logTail === undefined ? {} : { logTail: failure.logTail }),
      ...(fields === undefined ? {} : { errors: fields }),
      ...(requestId === undefined ? {} : { requestId }),
    },
    exitCode: error.exitCode,
  };
}

function renderError(error: CliError, colors: Output["colors"]): string {
  const { code, hint, requestId, fields, lines: more = [] } = error.details;
  const tag = code === undefined || code === "usage" ? "" : ` ${colors.dim(`(${code})`)}`;
  const lines = [`${colors.red("error:")} ${safeLogText(error.message, false)}${tag}`];
  if (fields !== undefined && fields.length > 1) for (const field of fields) lines.push(`  ${field.path}: ${field.message}`);
  for (const text of more) lines.push(`  ${safeLogText(text, false)}`);
  if (hint !== undefined) lines.push(`  ${hint}`);
  if (requestId !== undefined && code === "internal") lines.push(`  request ${requestId}`);
  return `${lines.join("\n")}\n`;
}

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB"];

export function formatBytes(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${UNITS[unit]}`;
}

export function formatDuration(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)} s`;
  return `${Math.floor(ms / 60_000)} min ${Math.round((ms % 60_000) / 1000)} s`;
}

/** How long ago, for tables. */
export function formatAge(time: string, nowMs: number): string {
  const seconds = Math.max(0, Math.round((nowMs - Date.parse(time)) / 1000));
  if (seconds < 60) return `${seconds} s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h ago`;
  return `${Math.floor(seconds / 86_400)} d ago`;
}
