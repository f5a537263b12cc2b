import t from "tap";
import { answerTo, type ClientError } from "../../../src/listen/client-error.ts";

const limits = { header: 60_000, headerBytes: 32_768 };
const failed = (code: string, rawPacket?: Buffer): ClientError =>
  Object.assign(new Error(code), { code, ...(rawPacket !== undefined && { rawPacket }) });

t.test("what the parser says becomes an answer", async (t) => {
  const cases = [
    ["HPE_HEADER_OVERFLOW", 431, /32768/],
    ["HPE_CHUNK_EXTENSIONS_OVERFLOW", 413, /chunk/],
    ["ERR_HTTP_REQUEST_TIMEOUT", 408, /60000 ms/],
    ["HPE_INVALID_EOF_STATE", 400, /middle/],
    ["HPE_INVALID_METHOD", 400, /HPE_INVALID_METHOD/],
  ] as const;
  for (const [code, status, message] of cases) t.match(answerTo(failed(code), limits), { status, message }, code);
});

t.test("TLS at a plain port is named", async (t) => {
  t.match(answerTo(failed("HPE_INVALID_METHOD", Buffer.from([0x16, 3, 1])), limits)?.message, /http:\/\//);
});

t.test("a broken connection has nobody to answer", async (t) => {
  for (const code of ["ECONNRESET", "EPIPE", "ERR_SSL_BAD_RECORD_TYPE", ""]) {
    t.equal(answerTo(failed(code), limits), undefined, code);
  }
});
