import t from "tap";
import { credentials, upstreamSettings } from "../../../src/config/credentials.ts";
import { accepts, read } from "./read.ts";

const gcr = { authRegistriesDelimiter: ";;;", authRegistryDelimiter: ":::" };

t.test("entries of host, user and password", async (t) => {
  const cases: [string, string, number | undefined, string, string][] = [
    ["auth.docker.io:bob:pa", "auth.docker.io", undefined, "bob", "pa"],
    ["Auth.Docker.io:bob:pa", "auth.docker.io", undefined, "bob", "pa"],
    ["reg.test:bob:pa:ss:", "reg.test", undefined, "bob", "pa:ss:"],
    ["reg.test:5000:bob:pa", "reg.test", 5000, "bob", "pa"],
    ["reg.test:5000:bob:pa:ss", "reg.test", 5000, "bob", "pa:ss"],
    ["reg.test:5000:pa", "reg.test", undefined, "5000", "pa"],
    ["reg.test:70000:pa:ss", "reg.test", undefined, "70000", "pa:ss"],
    ["reg.test:0500:pa:ss", "reg.test", undefined, "0500", "pa:ss"],
    ["[::1]:bob:pa", "::1", undefined, "bob", "pa"],
    ["[::1]:5000:bob:pa", "::1", 5000, "bob", "pa"],
    ["nvcr.io:$oauthtoken:pa", "nvcr.io", undefined, "$oauthtoken", "pa"],
  ];
  for (const [text, host, port, user, password] of cases)
    t.same(read(credentials, text), [{ host, port, user, password }], text);
  t.same(read(credentials, " a:u:p   b:v:q\n"), [
    { host: "a", port: undefined, user: "u", password: "p" },
    { host: "b", port: undefined, user: "v", password: "q" },
  ]);
  t.same(read(credentials, ""), []);
});

t.test("a whole JSON key as a password", async (t) => {
  const key = JSON.stringify({ type: "service_account", private_key: "-----BEGIN\nx y: z" }, null, 2);
  const text = `gcr.io:::_json_key:::${key};;;eu.gcr.io:5000:::_json_key:::a:::b`;
  t.same(read(credentials, text, gcr), [
    { host: "gcr.io", port: undefined, user: "_json_key", password: key },
    { host: "eu.gcr.io", port: 5000, user: "_json_key", password: "a:::b" },
  ]);
});

t.test("a list in the file, taken as it stands", async (t) => {
  t.same(read(credentials, [{ host: "reg.test:5000", user: "bob", password: " pa ss " }]), [
    { host: "reg.test", port: 5000, user: "bob", password: " pa ss " },
  ]);
});

t.test("bad entries are told by their place and nothing else", async (t) => {
  const texts = [
    "hunter2",
    "hunter2:hunter2",
    "a::hunter2",
    "a:hunter2:",
    "http://hunter2:b:c",
    "*.hunter2:b:c",
    ":hunter2:b",
  ];
  const lists = [
    ["hunter2"],
    [{ host: "a", user: "b" }],
    [{ host: "a", user: "hunter2", password: 123 }],
    [{ host: "a", user: "b", password: "c", hunter2: 1 }],
    [{ host: "a b", user: "b", password: "hunter2" }],
    [{ host: "a", user: "b:c", password: "hunter2" }],
  ];
  for (const given of [...texts, ...lists]) {
    const problem = read(credentials, given);
    t.match(problem, { problems: [/^entry 1 /] }, JSON.stringify(given));
    t.notMatch(JSON.stringify(problem), /hunter2/);
  }
  t.match(read(credentials, "a:b:c x d:e:f y"), { problems: [/^entry 2 /, /^entry 4 /] });
  t.notOk(accepts(credentials, { host: "a" }));
});

t.test("credentials are shown by host and user", async (t) => {
  const shown = credentials.show?.([
    { host: "reg.test", port: 5000, user: "bob", password: "hunter2" },
    { host: "::1", port: undefined, user: "eve", password: "hunter2" },
  ]);
  t.equal(shown, "reg.test:5000:bob:*** [::1]:eve:***");
});

t.test("upstreams", async (t) => {
  const given = { "reg.test:5000": { plainHttp: true, insecure: true }, other: {} };
  const value = [
    { host: "reg.test", port: 5000, plainHttp: true, insecure: true },
    { host: "other", port: undefined, plainHttp: false, insecure: false },
  ];
  t.same(read(upstreamSettings, given), value);
  t.equal(upstreamSettings.show?.(value), "reg.test:5000=plainHttp+insecure other=default");
  for (const bad of [{ "a/b": {} }, { a: { plain: true } }, { a: { insecure: "yes" } }, { a: null }, [], "a"]) {
    t.notOk(accepts(upstreamSettings, bad), JSON.stringify(bad));
  }
});
