import { EntrepotError } from "../core/errors.ts";

/**
 * What node reports of a connection, in the program's own words. The host is named and what to do; a path never is, since a
 * redirected one is signed.
 */

const unresolved = /^(?:ENOTFOUND|ENODATA|ESERVFAIL|EAI_\w+)$/;
const certificate = /CERT|SELF_SIGNED|UNABLE_TO_(?:GET|VERIFY)|HOSTNAME_MISMATCH|INVALID_CA|PATH_LENGTH_EXCEEDED|CRL_/;

export function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : "";
}

/** Name resolution and the TCP connection. */
export function connectFailure(error: unknown, host: string): EntrepotError {
  if (error instanceof EntrepotError) return error;
  const code = codeOf(error);
  const cause = { cause: error };
  if (unresolved.test(code)) {
    return new EntrepotError(
      "UPSTREAM_UNRESOLVED",
      `The name ${host} has no address (${code}). Check it and the proxy's DNS.`,
      cause,
    );
  }
  if (code === "ETIMEDOUT") return timeout(`${host} did not accept a connection in time.`, error);
  return new EntrepotError("UPSTREAM_UNREACHABLE", `${host} cannot be connected to${code && ` (${code})`}.`, cause);
}

/** The TLS handshake. */
export function tlsFailure(error: unknown, host: string): EntrepotError {
  if (error instanceof EntrepotError) return error;
  const code = codeOf(error);
  return new EntrepotError("UPSTREAM_TLS", tlsProblem(code, host), { cause: error });
}

function tlsProblem(code: string, host: string): string {
  if (code === "CERT_HAS_EXPIRED")
    return `The certificate of ${host} has expired. Renew it, or list the host as insecure.`;
  if (code === "ERR_TLS_CERT_ALTNAME_INVALID") {
    return `The certificate of ${host} is for another name. Give it the right one, or list the host as insecure.`;
  }
  if (certificate.test(code)) {
    return `The certificate of ${host} is self-signed or of an unknown authority (${code}). Add its root with UPSTREAM_CA_FILE, or list the host as insecure.`;
  }
  if (code === "ERR_SSL_WRONG_VERSION_NUMBER" || code === "ERR_SSL_PACKET_LENGTH_TOO_LONG" || code === "EPROTO") {
    return `${host} does not speak TLS (${code}). If it is a plain HTTP registry, list it as plainHttp.`;
  }
  return `The TLS handshake with ${host} failed (${code || "connection closed"}).`;
}

/** What happens on an established connection before the head of the answer is whole. */
export function exchangeFailure(error: unknown, host: string): EntrepotError {
  if (error instanceof EntrepotError) return error;
  const code = codeOf(error);
  if (code === "ETIMEDOUT") return timeout(`${host} went silent.`, error);
  // TLS 1.3 tells of a client certificate it misses only after the handshake.
  if (code.startsWith("ERR_SSL_")) return tlsFailure(error, host);
  if (code.startsWith("ERR_INVALID_") || code === "ERR_UNESCAPED_CHARACTERS") {
    return new EntrepotError("BAD_REQUEST", "The request holds characters that cannot be sent on.", { cause: error });
  }
  const what =
    code === "HPE_HEADER_OVERFLOW"
      ? "sent a larger head than 128 KiB"
      : code.startsWith("HPE_")
        ? `sent something that is not HTTP (${code})`
        : `closed the connection before its answer${code && ` (${code})`}`;
  return new EntrepotError("UPSTREAM_PROTOCOL", `${host} ${what}.`, { cause: error });
}

/** A body that ends before it is whole. */
export function bodyFailure(error: unknown, host: string): EntrepotError {
  if (error instanceof EntrepotError) return error;
  return new EntrepotError("UPSTREAM_WRONG_LENGTH", `${host} ended the connection before the end of the body.`, {
    cause: error,
  });
}

export function timeout(message: string, cause?: unknown): EntrepotError {
  return new EntrepotError("UPSTREAM_TIMEOUT", message, { cause });
}

export function denied(host: string): EntrepotError {
  return new EntrepotError("DENIED", `Policy does not allow connections to the addresses of ${host}.`);
}

/** The reason of an aborted signal: ours as it is, anyone else's as CANCELLED. */
export function cancelled(signal: AbortSignal): EntrepotError {
  const reason: unknown = signal.reason;
  return reason instanceof EntrepotError
    ? reason
    : new EntrepotError("CANCELLED", "The exchange was cancelled.", { cause: reason });
}
