import t from "tap";
import { hostsOf, parseTarget } from "../../../src/listen/target.ts";

t.test("origin form is handed on as it was sent", async (t) => {
  for (const target of ["/", "/v2/", "/v2/a/../b?x=%2e%2e", "//host/path", "*", "/http://x/"]) {
    t.same(parseTarget(target), { form: "origin", target });
  }
});

t.test("absolute form: scheme, authority and the rest", async (t) => {
  const cases = [
    ["http://registry.test/v2/", "http", "registry.test", 80, "/v2/"],
    ["HTTP://Registry.Test./v2/../x", "http", "registry.test", 80, "/v2/../x"],
    ["https://registry.test", "https", "registry.test", 443, "/"],
    ["https://registry.test?a=b", "https", "registry.test", 443, "/?a=b"],
    ["http://registry.test:5000/v2/?n=1", "http", "registry.test", 5000, "/v2/?n=1"],
    ["http://[::1]:5000/", "http", "::1", 5000, "/"],
  ] as const;
  for (const [text, scheme, host, port, target] of cases) {
    t.same(parseTarget(text), { form: "absolute", scheme, host, port, target }, text);
  }
});

t.test("what is neither", async (t) => {
  const none = [
    "",
    "registry.test:443",
    "ftp://registry.test/",
    "http:///v2/",
    "http://user:secret@registry.test/",
    "http://registry.test:0/",
    "http://registry.test:99999/",
    "http:/registry.test/",
    "/v2/#fragment",
    "http://registry.test/#fragment",
  ];
  for (const text of none) {
    const parsed = parseTarget(text);
    t.equal(parsed.form, "invalid", text);
    t.notMatch(JSON.stringify(parsed), /secret/);
  }
});

t.test("every Host is found, whatever its case", async (t) => {
  t.same(hostsOf(["Accept", "host", "HOST", "a", "X-Host", "b", "host", "c"]), ["a", "c"]);
  t.same(hostsOf([]), []);
});
