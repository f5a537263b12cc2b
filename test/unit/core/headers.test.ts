import t from "tap";
import { contentLength, endToEnd, first } from "../../../src/core/headers.ts";

t.test("fields of one hop are not passed on, nor what Connection names", (t) => {
  const kept = endToEnd({
    connection: "Keep-Alive, X-Secret , close",
    "keep-alive": "timeout=5",
    "x-secret": "hop",
    "proxy-authenticate": "Basic",
    "proxy-authorization": "Basic eDp5",
    "proxy-connection": "keep-alive",
    te: "trailers",
    trailer: "x",
    "transfer-encoding": "chunked",
    upgrade: "h2c",
    authorization: "Basic eDp5",
    "content-length": "5",
    "set-cookie": ["a", "b"],
    absent: undefined,
  });
  t.strictSame(kept, { authorization: "Basic eDp5", "content-length": "5", "set-cookie": ["a", "b"] });
  t.end();
});

t.test("the result is the caller's own", (t) => {
  const values = ["a"];
  const kept = endToEnd({ "set-cookie": values });
  t.not(kept["set-cookie"], values);
  t.strictSame(endToEnd({}), {});
  t.end();
});

t.test("the first of several values", (t) => {
  t.equal(first(undefined), undefined);
  t.equal(first("a"), "a");
  t.equal(first(["a", "b"]), "a");
  t.equal(first([]), undefined);
  t.end();
});

t.test("Content-Length is a number of bytes or nothing", (t) => {
  t.equal(contentLength({ "content-length": "0" }), 0);
  t.equal(contentLength({ "content-length": "5368709120" }), 5_368_709_120);
  t.equal(contentLength({}), undefined);
  for (const text of ["", "-1", "+1", "1.5", "1e3", "0x10", " 1", "1, 1", "NaN", "9".repeat(16)]) {
    t.equal(contentLength({ "content-length": text }), undefined, text);
  }
  t.end();
});
