/** What the CLI's commands throw, and the exit codes that scripts may rely on. */
import type { ErrorCode, Failure, Problem } from "../client/index.ts";

/** `docs/cli.md` lists them. They are never renumbered. */
export const EXIT = {
  ok: 0,
  /** A build, a rollout or a request failed. */
  failed: 1,
  /** Wrong arguments or names; nothing was done. */
  usage: 2,
  /** No token, a wrong one, or one that may not do this. */
  auth: 3,
  notFound: 4,
  /** Ended by Ctrl-C, or cancelled. */
  cancelled: 130,
} as const;

interface Details {
  exitCode?: number;
  /** A stable code of `core/contract/errors.ts`, or one of the CLI's own. */
  code?: string;
  /** What to do about it. */
  hint?: string;
  /** Where a build or a rollout went wrong. */
  failure?: Failure;
  requestId?: string;
  fields?: Problem["errors"];
  /** Shown below the message: a log's last lines and the like. */
  lines?: readonly string[];
  cause?: unknown;
}

export class CliError extends Error {
  readonly exitCode: number;
  readonly details: Details;

  constructor(message: string, details: Details = {}) {
    super(message, { cause: details.cause });
    this.name = "CliError";
    this.details = details;
    this.exitCode = details.exitCode ?? EXIT.failed;
  }
}

export function usageError(message: string, hint?: string): CliError {
  return new CliError(message, { exitCode: EXIT.usage, code: "usage", ...(hint === undefined ? {} : { hint }) });
}

const EXIT_BY_CODE: Partial<Record<ErrorCode, number>> = {
  unauthenticated: EXIT.auth,
  token_expired: EXIT.auth,
  forbidden: EXIT.auth,
  not_found: EXIT.notFound,
  invalid_request: EXIT.usage,
  invalid_name: EXIT.usage,
  invalid_config: EXIT.usage,
  build_cancelled: EXIT.cancelled,
  deployment_cancelled: EXIT.cancelled,
};

export function exitCodeOf(code: ErrorCode): number {
  return EXIT_BY_CODE[code] ?? EXIT.failed;
}

const HINTS: Partial<Record<ErrorCode, string>> = {
  unauthenticated: "Sign in with «berth login», or set BERTH_TOKEN.",
  token_expired: "Sign in again with «berth login», or make a new token.",
  name_taken: "Choose another name with --app.",
  dockerfile_missing: "Name the Dockerfile with -f, or the directory that holds it as DIR.",
  no_release: "See what there is with «berth releases».",
  rate_limited: "Wait a moment and try again.",
};

/** The error that a problem of the API is to the user. */
export function problemError(problem: Problem): CliError {
  const hint = HINTS[problem.code];
  return new CliError(problem.detail, {
    code: problem.code,
    exitCode: exitCodeOf(problem.code),
    failure: problem,
    ...(hint === undefined ? {} : { hint }),
    ...(problem.requestId === undefined ? {} : { requestId: problem.requestId }),
    ...(problem.errors === undefined ? {} : { fields: problem.errors }),
  });
}
