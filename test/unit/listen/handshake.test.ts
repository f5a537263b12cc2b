import t from "tap";
import { nameClosing, nameTlsError } from "../../../src/listen/handshake.ts";

const coded = (code: string): Error => Object.assign(new Error("secret detail of the library"), { code });

t.test("the alerts by which clients refuse a certificate", async (t) => {
  for (const code of [
    "ERR_SSL_TLSV1_ALERT_UNKNOWN_CA",
    "ERR_SSL_SSLV3_ALERT_BAD_CERTIFICATE",
    "ERR_SSL_SSLV3_ALERT_CERTIFICATE_UNKNOWN",
    "ERR_SSL_SSL/TLS_ALERT_BAD_CERTIFICATE",
  ]) {
    t.match(nameTlsError(coded(code)), { kind: "distrust", problem: /alert/ }, code);
  }
});

t.test("other failures are the handshake's", async (t) => {
  for (const code of [
    "ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION",
    "ERR_SSL_UNSUPPORTED_PROTOCOL",
    "ECONNRESET",
    "ERR_NEW",
  ]) {
    t.equal(nameTlsError(coded(code)).kind, "tls", code);
  }
  t.match(nameTlsError(coded("ERR_NEW")).problem, /ERR_NEW/);
  t.equal(nameTlsError(new Error("no code")).kind, "tls");
});

t.test("a client that leaves without a word is told apart by what it had been sent", async (t) => {
  t.equal(nameClosing({ secured: true, sent: 0, received: 0 }).kind, "distrust");
  t.equal(nameClosing({ secured: false, sent: 900, received: 300 }).kind, "distrust");
  t.equal(nameClosing({ secured: false, sent: 7, received: 300 }).kind, "tls", "an alert is no certificate");
  t.match(nameClosing({ secured: false, sent: 0, received: 0 }).problem, /without a TLS handshake/);
});
