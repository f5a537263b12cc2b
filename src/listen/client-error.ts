import { EntrepotError } from "../core/errors.ts";

/** What is left of a request that Node's parser gave up on. */
export interface ClientError extends Error {
  readonly code?: string;
  readonly rawPacket?: Buffer;
  readonly reason?: string;
}

/** The answer to what the parser refused; undefined where the connection itself broke and nobody is left to answer. */
export function answerTo(
  error: ClientError,
  limits: { header: number; headerBytes: number },
): EntrepotError | undefined {
  const code = error.code ?? "";
  switch (code) {
    case "HPE_HEADER_OVERFLOW":
      return new EntrepotError("HEADERS_TOO_LARGE", `A request's header has at most ${limits.headerBytes} bytes.`);
    case "HPE_CHUNK_EXTENSIONS_OVERFLOW":
      return new EntrepotError("BAD_REQUEST", "The extensions of a chunk are too large.", { status: 413 });
    case "ERR_HTTP_REQUEST_TIMEOUT":
      return new EntrepotError("REQUEST_TIMEOUT", `The request's header was not whole within ${limits.header} ms.`);
    case "HPE_INVALID_EOF_STATE":
      return new EntrepotError("BAD_REQUEST", "The connection ended in the middle of a request.");
    default:
      if (!code.startsWith("HPE_")) return undefined;
  }
  // TLS record of a handshake (RFC 8446 §5.1): HTTPS_PROXY=https:// at a port that speaks plain HTTP.
  if (code === "HPE_INVALID_METHOD" && error.rawPacket?.[0] === 0x16) {
    return new EntrepotError(
      "BAD_REQUEST",
      "This port speaks plain HTTP, not TLS: write the proxy's URL with http://.",
    );
  }
  const reason = error.reason === undefined || error.reason === "" ? "" : `: ${error.reason}`;
  return new EntrepotError("BAD_REQUEST", `The request is not valid HTTP/1.1 (${code}${reason}).`);
}
