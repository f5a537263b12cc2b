/** Why a TLS handshake came to nothing, in words for an operator. */
export interface HandshakeFailure {
  /** `distrust`: the client does not accept our certificate. `tls`: anything else. */
  readonly kind: "tls" | "distrust";
  readonly problem: string;
}

/** RFC 8446 §6.2: unknown_ca (OpenSSL, Python, curl), bad_certificate (Go), certificate_unknown (Java, Chromium). */
const distrustAlert = /ALERT_(?:UNKNOWN_CA|BAD_CERTIFICATE|CERTIFICATE_UNKNOWN)$/;

/** Longer than any alert or HelloRetryRequest, shorter than any flight that holds a certificate. */
const certificateFlight = 400;

const sentences: Readonly<Record<string, string>> = {
  ERR_SSL_UNSUPPORTED_PROTOCOL: "The client offered no TLS version that is still safe; TLS 1.2 is the oldest.",
  ERR_SSL_VERSION_TOO_LOW: "The client offered no TLS version that is still safe; TLS 1.2 is the oldest.",
  ERR_SSL_HTTP_REQUEST: "The client sent plain HTTP where a TLS handshake belongs.",
  ERR_SSL_NO_SHARED_CIPHER: "The client offered no cipher suite that is known here.",
  ERR_SSL_WRONG_VERSION_NUMBER: "What the client sent is no TLS handshake.",
  ERR_SSL_PACKET_LENGTH_TOO_LONG: "What the client sent is no TLS handshake.",
  ECONNRESET: "The client reset the connection in the middle of the TLS handshake.",
};

export function nameTlsError(error: NodeJS.ErrnoException): HandshakeFailure {
  const code = error.code ?? "unknown";
  if (distrustAlert.test(code)) {
    const alert = /ALERT_(.+)$/.exec(code)?.[1]?.toLowerCase() ?? "";
    return { kind: "distrust", problem: `The client refused our certificate (TLS alert ${alert}).` };
  }
  return { kind: "tls", problem: sentences[code] ?? `The TLS handshake failed (${code}).` };
}

/** A client that went away without an alert. The counts are bytes on the wire in the course of the handshake. */
export function nameClosing(ended: { secured: boolean; sent: number; received: number }): HandshakeFailure {
  if (ended.secured || ended.sent >= certificateFlight) {
    return {
      kind: "distrust",
      problem: "The client closed the connection right after our certificate, as one does that does not trust it.",
    };
  }
  return {
    kind: "tls",
    problem:
      ended.received === 0
        ? "The client closed the connection without a TLS handshake."
        : "The client closed the connection in the middle of the TLS handshake.",
  };
}
