/**
 * Every error that a user can meet has a stable code. The API answers it as RFC 9457 problem JSON; a build or a
 * deployment that failed keeps one as its `failure`. Texts say what was wrong, where, and what to do.
 */
import { z } from "zod";

/** Code → HTTP status and title. Codes are never renamed; `docs/errors.md` lists them for people. */
export const ERRORS = {
  // requests
  invalid_request: [400, "The request is not valid"],
  unauthenticated: [401, "A valid token is needed"],
  token_expired: [401, "The token has expired"],
  forbidden: [403, "The token may not do this"],
  tenant_suspended: [403, "The tenant is suspended"],
  quota_exceeded: [403, "The plan does not allow more"],
  not_found: [404, "There is no such thing"],
  method_not_allowed: [405, "This method is not offered here"],
  conflict: [409, "The request conflicts with the present state"],
  name_taken: [409, "The name is taken"],
  not_cancellable: [409, "It has ended already"],
  idempotency_mismatch: [422, "The Idempotency-Key was used for another request"],
  idempotency_in_flight: [409, "The first request with this Idempotency-Key has not ended"],
  version_mismatch: [412, "It was changed since it was read"],
  payload_too_large: [413, "The upload is too large"],
  unsupported_media_type: [415, "This content type is not accepted"],
  invalid_name: [422, "The name cannot be part of a URL"],
  invalid_config: [422, "The configuration is not valid"],
  rate_limited: [429, "Too many requests"],
  internal: [500, "Something broke on our side"],
  database_unavailable: [503, "The database is away"],
  queue_unavailable: [503, "The queue is away"],
  storage_unavailable: [503, "The blob store is away"],
  secrets_unavailable: [503, "Secrets cannot be sealed or opened now"],
  issuer_unavailable: [503, "The identity provider cannot be asked"],
  node_unavailable: [503, "The node that runs this instance is away"],
  // sessions
  upgrade_required: [426, "This is a WebSocket"],
  instance_not_running: [409, "The instance does not run"],
  exec_failed: [422, "The program could not be started in the instance"],
  port_refused: [502, "Nothing listens on this port of the instance"],
  too_many_sessions: [429, "Too many sessions are open"],
  session_idle: [408, "The session was idle for too long"],
  // build contexts
  context_not_tar: [422, "The build context is not a tar archive"],
  context_truncated: [422, "The build context is cut short"],
  context_escapes: [422, "The build context reaches outside itself"],
  context_too_large: [413, "The build context is too large"],
  dockerfile_missing: [422, "There is no Dockerfile"],
  dockerfile_invalid: [422, "The Dockerfile has an error"],
  dockerfile_unsupported: [422, "The Dockerfile uses something that Berth does not offer"],
  // builds
  build_secret_missing: [422, "A build secret is not set"],
  base_image_not_found: [422, "A base image was not found"],
  build_failed: [422, "A build step failed"],
  build_timeout: [422, "The build took longer than its deadline"],
  build_out_of_memory: [422, "The build ran out of memory"],
  build_disk_full: [422, "The build filled its disk"],
  build_cancelled: [409, "The build was cancelled"],
  build_lost: [500, "The build was lost too many times"],
  image_not_found: [422, "There is no such image in the registry"],
  image_invalid: [422, "The image cannot be run"],
  // releases
  app_exited: [422, "The app exited while starting"],
  app_not_listening: [422, "The app does not listen on its port"],
  app_wrong_port: [422, "The app listens on another port"],
  app_unhealthy: [422, "The app did not become ready"],
  app_out_of_memory: [422, "The app ran out of memory"],
  init_failed: [422, "An init container failed"],
  sidecar_failed: [422, "A sidecar failed"],
  image_pull_failed: [500, "The node could not fetch the image"],
  too_many_errors: [422, "Too many requests to the new release failed"],
  no_capacity: [503, "No node has room"],
  superseded: [409, "A newer deployment took its place"],
  deployment_cancelled: [409, "The deployment was cancelled"],
  no_release: [409, "There is no release for it"],
  release_command_failed: [422, "The release command failed"],
  // jobs
  command_failed: [422, "The command ended with an error"],
  job_deadline: [422, "The command ran longer than its deadline"],
  run_missed: [409, "The run was left out"],
  run_cancelled: [409, "The run was cancelled"],
  node_lost: [503, "The node that ran it was lost"],
  // volumes
  volume_missing: [422, "The app has no such volume"],
  volume_in_use: [409, "The volume is in use"],
  volume_busy: [409, "Something is being done with the volume"],
  volume_empty: [409, "Nothing was stored in the volume yet"],
  volumes_exist: [409, "The app has volumes"],
  volume_failed: [500, "The node could not do it"],
  volume_node_lost: [503, "The node that has the volume is away"],
  // gateway
  unknown_host: [404, "No app answers at this host"],
  wake_timeout: [503, "The app did not start in time"],
  under_maintenance: [503, "The app is under maintenance"],
  address_not_allowed: [403, "The app does not answer to this address"],
  password_required: [401, "The app asks for a password"],
} as const satisfies Record<string, readonly [status: number, title: string]>;

export type ErrorCode = keyof typeof ERRORS;
export const ErrorCodeSchema = z.enum(Object.keys(ERRORS) as [ErrorCode, ...ErrorCode[]]).meta({ id: "ErrorCode" });

/** The limit that stood in the way: `core/domain/limits.ts` names them. */
export const QuotaSchema = z.object({ limit: z.string(), max: z.number(), used: z.number(), asked: z.number() });
export type Quota = z.infer<typeof QuotaSchema>;

/** What a failed build or deployment remembers: shown by `berth deploy`, `berth status` and the API. */
export const FailureSchema = z.object({
  code: ErrorCodeSchema,
  detail: z.string(),
  /** 1-based line of the Dockerfile. */
  line: z.number().int().optional(),
  instruction: z.string().optional(),
  exitCode: z.number().int().optional(),
  /** The last lines of output, oldest first. */
  logTail: z.array(z.string()).optional(),
  /** Of `quota_exceeded`. */
  quota: QuotaSchema.optional(),
}).meta({ id: "Failure" });
export type Failure = z.infer<typeof FailureSchema>;

/** RFC 9457 problem details, with Berth's stable `code`. */
export const ProblemSchema = FailureSchema.extend({
  /** Leads to a page about the code. */
  type: z.string(),
  title: z.string(),
  status: z.number().int(),
  instance: z.string().optional(),
  requestId: z.string().optional(),
  /** What exactly was wrong with which field of the input. */
  errors: z.array(z.object({ path: z.string(), message: z.string() })).optional(),
}).meta({ id: "Problem" });
export type Problem = z.infer<typeof ProblemSchema>;

/** An expected failure, thrown anywhere, mapped to problem JSON in one place. */
export class AppError extends Error {
  readonly code: ErrorCode;
  readonly failure: Failure;
  readonly fields: Problem["errors"];
  readonly headers: Record<string, string>;

  constructor(
    code: ErrorCode,
    detail: string,
    more: Partial<Failure> & { fields?: Problem["errors"]; headers?: Record<string, string>; cause?: unknown } = {},
  ) {
    super(detail, { cause: more.cause });
    const { fields, headers, cause: _cause, ...failure } = more;
    this.name = "AppError";
    this.code = code;
    this.fields = fields;
    this.headers = headers ?? {};
    this.failure = { ...failure, code, detail };
  }

  get status(): number {
    return ERRORS[this.code][0];
  }
}

/** The page of the API that explains a code: the `type` of its problems. Without the API's public URL it is a path. */
export function errorType(code: ErrorCode, publicUrl?: URL): string {
  const path = `/errors/${code}`;
  return publicUrl === undefined ? path : new URL(path, publicUrl).href;
}

/** The problem JSON of an error. */
export function toProblem(error: AppError, more: { requestId?: string | undefined; publicUrl?: URL | undefined } = {}): Problem {
  const { requestId, publicUrl } = more;
  const [status, title] = ERRORS[error.code];
  return {
    type: errorType(error.code, publicUrl),
    title,
    status,
    ...error.failure,
    ...(requestId === undefined ? {} : { requestId }),
    ...(error.fields === undefined ? {} : { errors: error.fields }),
  };
}
