import t from "tap";
import { asEntrepotError, EntrepotError, type ErrorCode, ociErrorBody } from "../../../src/core/errors.ts";

t.test("a code has the status that the specification gives it", (t) => {
  const table: [ErrorCode, number][] = [
    ["BLOB_UNKNOWN", 404],
    ["MANIFEST_UNKNOWN", 404],
    ["NAME_UNKNOWN", 404],
    ["NAME_INVALID", 400],
    ["DIGEST_INVALID", 400],
    ["UNAUTHORIZED", 401],
    ["DENIED", 403],
    ["UNSUPPORTED", 405],
    ["TOOMANYREQUESTS", 429],
    ["MISDIRECTED", 421],
    ["RANGE_INVALID", 416],
    ["UPSTREAM_TLS", 502],
    ["UPSTREAM_TIMEOUT", 504],
    ["STOPPING", 503],
  ];
  for (const [code, status] of table) t.equal(new EntrepotError(code, "x").status, status, code);
  t.equal(new EntrepotError("DENIED", "x", { status: 404 }).status, 404);
  t.end();
});

t.test("it is an error with a name, a cause and no more than was said", (t) => {
  const cause = new Error("inside");
  const error = new EntrepotError("CACHE_IO", "Look at the disk.", { cause });
  t.ok(error instanceof Error);
  t.match(error, { name: "EntrepotError", message: "Look at the disk.", cause });
  t.notOk("cause" in new EntrepotError("CACHE_IO", "x"));
  t.end();
});

t.test("its body is an OCI error", (t) => {
  const body = ociErrorBody(
    new EntrepotError("DENIED", 'No "x".', { detail: { name: "a" }, cause: new Error("secret") }),
  );
  t.strictSame(JSON.parse(body), { errors: [{ code: "DENIED", message: 'No "x".', detail: { name: "a" } }] });
  t.notMatch(body, /secret/);
  t.ok(body.endsWith("\n"));
  t.strictSame(JSON.parse(ociErrorBody(new EntrepotError("DENIED", "x"))), {
    errors: [{ code: "DENIED", message: "x" }],
  });
  t.end();
});

t.test("anything thrown becomes one, and tells a client nothing of the inside", (t) => {
  const ours = new EntrepotError("DENIED", "x");
  t.equal(asEntrepotError(ours), ours);
  t.equal(asEntrepotError(AbortSignal.abort().reason).code, "CANCELLED");
  for (const thrown of [new TypeError("secret"), "secret", undefined, null, 5, { message: "secret" }]) {
    const error = asEntrepotError(thrown);
    t.match(error, { code: "INTERNAL", status: 500 });
    t.equal(error.cause, thrown);
    t.notMatch(ociErrorBody(error), /secret/);
  }
  t.end();
});
