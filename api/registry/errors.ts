/** Errors as clients of registries read them. Source: OCI distribution-spec 1.1, «Error Codes». */

const STATUS = {
  BLOB_UNKNOWN: 404,
  BLOB_UPLOAD_INVALID: 400,
  BLOB_UPLOAD_UNKNOWN: 404,
  DIGEST_INVALID: 400,
  MANIFEST_BLOB_UNKNOWN: 404,
  MANIFEST_INVALID: 400,
  MANIFEST_UNKNOWN: 404,
  NAME_INVALID: 400,
  NAME_UNKNOWN: 404,
  RANGE_INVALID: 416,
  SIZE_INVALID: 413,
  UNAUTHORIZED: 401,
  DENIED: 403,
  UNSUPPORTED: 405,
  CONFLICT: 409,
  TOOMANYREQUESTS: 429,
  UNAVAILABLE: 503,
  UNKNOWN: 500,
} as const;
export type RegistryErrorCode = keyof typeof STATUS;

export class RegistryError extends Error {
  readonly code: RegistryErrorCode;
  readonly headers: Record<string, string>;

  constructor(code: RegistryErrorCode, message: string, headers: Record<string, string> = {}, cause?: unknown) {
    super(message, { cause });
    this.code = code;
    this.headers = headers;
  }

  toResponse(): Response {
    const body = { errors: [{ code: this.code, message: this.message }] };
    return Response.json(body, { status: STATUS[this.code], headers: this.headers });
  }
}
