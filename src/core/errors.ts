/**
 * The one error class of the program and the table of what it can say.
 *
 * A code of the OCI distribution spec (1.1, "Error Codes") is written to clients as it is; our own codes
 * are written the same way, since clients print the message of any code.
 */

/** Each code with the HTTP status that it is answered with, where the place that throws does not say another. */
const statuses = {
  // OCI distribution 1.1, "Error Codes"
  BLOB_UNKNOWN: 404,
  BLOB_UPLOAD_INVALID: 400,
  BLOB_UPLOAD_UNKNOWN: 404,
  DIGEST_INVALID: 400,
  MANIFEST_BLOB_UNKNOWN: 404,
  MANIFEST_INVALID: 400,
  MANIFEST_UNKNOWN: 404,
  NAME_INVALID: 400,
  NAME_UNKNOWN: 404,
  SIZE_INVALID: 400,
  UNAUTHORIZED: 401,
  DENIED: 403,
  UNSUPPORTED: 405,
  TOOMANYREQUESTS: 429,
  // ours: what a client sent
  BAD_REQUEST: 400,
  NOT_FOUND: 404,
  METHOD_NOT_ALLOWED: 405,
  REQUEST_TIMEOUT: 408,
  RANGE_INVALID: 416,
  MISDIRECTED: 421,
  HEADERS_TOO_LARGE: 431,
  // ours: what the way out did
  UPSTREAM_UNRESOLVED: 502,
  UPSTREAM_UNREACHABLE: 502,
  UPSTREAM_TLS: 502,
  UPSTREAM_PROTOCOL: 502,
  UPSTREAM_REDIRECTS: 502,
  UPSTREAM_WRONG_DIGEST: 502,
  UPSTREAM_WRONG_LENGTH: 502,
  UPSTREAM_TIMEOUT: 504,
  // ours: the machine and its operator
  CONFIG_INVALID: 500,
  CA_INVALID: 500,
  CACHE_IO: 500,
  STORAGE_IO: 500,
  STORAGE_BUSY: 503,
  STOPPING: 503,
  CANCELLED: 499,
  INTERNAL: 500,
} as const;

export type ErrorCode = keyof typeof statuses;

export interface ErrorOptions {
  /** HTTP status, where the table's is not the right one. */
  readonly status?: number;
  /** Further facts for the `detail` of an OCI error. Never a credential, never a signed URL. */
  readonly detail?: unknown;
  readonly cause?: unknown;
}

/** Every refusal and failure that the program foresees. The message says what to do and holds no secret. */
export class EntrepotError extends Error {
  readonly code: ErrorCode;
  readonly status: number;
  readonly detail: unknown;

  constructor(code: ErrorCode, message: string, options: ErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "EntrepotError";
    this.code = code;
    this.status = options.status ?? statuses[code];
    this.detail = options.detail;
  }
}

/** An error as plain data, for a place that keeps no objects. Its cause stays behind. */
export interface ErrorFacts {
  readonly code: ErrorCode;
  readonly message: string;
  readonly status: number;
  readonly detail: unknown;
}

export function errorFacts({ code, message, status, detail }: EntrepotError): ErrorFacts {
  return { code, message, status, detail };
}

export function errorOf({ code, message, status, detail }: ErrorFacts): EntrepotError {
  return new EntrepotError(code, message, { status, detail });
}

/** The body of an error answer: OCI distribution 1.1 §"Error Codes". */
export function ociErrorBody(error: EntrepotError): string {
  const entry: Record<string, unknown> = { code: error.code, message: error.message };
  if (error.detail !== undefined) entry["detail"] = error.detail;
  return `${JSON.stringify({ errors: [entry] })}\n`;
}

/** Any thrown value as one of ours. What was not foreseen says nothing of its inside to a client. */
export function asEntrepotError(thrown: unknown): EntrepotError {
  if (thrown instanceof EntrepotError) return thrown;
  if (thrown instanceof Error && thrown.name === "AbortError") {
    return new EntrepotError("CANCELLED", "The exchange was cancelled.", { cause: thrown });
  }
  return new EntrepotError("INTERNAL", "Something failed inside the proxy; its log says what.", {
    cause: thrown,
  });
}
