import t from "tap";
import { frontsOf } from "../../../src/config/front-entries.ts";
import { frontLines } from "../../../src/config/front-lines.ts";
import { loadConfig } from "../../../src/config/load.ts";
import { EntrepotError } from "../../../src/core/errors.ts";

interface Input {
  readonly argv?: readonly string[];
  readonly env?: Record<string, string>;
  readonly file?: string;
}

function load({ argv = [], env = {}, file }: Input) {
  const named = file === undefined ? env : { CONFIG: "e.yaml", ...env };
  return loadConfig({ argv, env: { MIRROR: "false", ...named }, readFile: () => file ?? "" });
}

function problems(input: Input): string[] {
  try {
    load(input);
  } catch (error) {
    if (error instanceof EntrepotError && error.code === "CONFIG_INVALID") return error.message.split("\n");
    throw error;
  }
  return [];
}

const basic = `Basic ${Buffer.from("me:hunter2").toString("base64")}`;

t.test("a custom domain by variables, and by the flags that such a proxy had", async (t) => {
  const env = { REGISTRY_HOST: "gcr.io", REPO_PREFIX: "/my-project/images/", AUTH_HEADER: basic, BLOBS: "redirect" };
  const expected = {
    kind: "domain",
    name: "domain",
    hosts: [],
    implicit: false,
    settings: { registryHost: { name: "gcr.io" }, repoPrefix: "my-project/images", blobs: "redirect" },
  };
  t.match(frontsOf(load({ env }).config), [expected]);
  for (const argv of [
    ["-port=80", "-registryHost=gcr.io", "-repoPrefix=my-project/images", "--blobs=redirect"],
    ["-port", "80", "-registeryHost", "gcr.io", "--repoPrefix", "my-project/images", "--blobs", "redirect"],
    ["--port=80", "--registeryHost=gcr.io", "--repo-prefix=my-project/images", "--blobs=redirect"],
  ]) {
    const { config } = load({ argv });
    t.match(frontsOf(config), [expected], argv.join(" "));
    t.same(config.port, [80]);
  }
  t.match(problems({ argv: ["-registryHost=a.test", "-registeryHost=b.test"] }), [
    /^--registry-host: .* more than once/,
  ]);
});

t.test("nobody asked for a front where its registry is not named", async (t) => {
  t.same(frontsOf(load({ env: { GOOGLE_APPLICATION_CREDENTIALS: "/key.json", SECRET: "x" } }).config), []);
  t.match(problems({ env: { REPO_PREFIX: "a" } }), [/^REPO_PREFIX: it is set without REGISTRY_HOST; both may be set/]);
  t.match(problems({ env: { AUTH_HEADER: basic } }), [/^AUTH_HEADER: it is set without REGISTRY_HOST/]);
  t.match(problems({ file: "fronts: [{front: domain}]" }), [/entry 1: \(domain\) registryHost is missing/]);
  t.match(problems({ file: "fronts: [{front: zot}]" }), [/entry 1: \(zot\) zotUrl is missing/]);
});

t.test("what such a front cannot do anything with is refused, and nothing secret repeated", async (t) => {
  const cases: [Record<string, string>, RegExp][] = [
    [{ REPO_PREFIX: "My Project" }, /^REPO_PREFIX: "My Project" is not accepted; it may be the beginning/],
    [{ REPO_PREFIX: "a/../b" }, /^REPO_PREFIX: "a\/\.\.\/b" is not/],
    [{ BLOBS: "cache" }, /^BLOBS: "cache" is not accepted; it may be one of stream, redirect$/],
    [{ DISABLE_BROWSER_REDIRECTS: "perhaps" }, /^DISABLE_BROWSER_REDIRECTS: "perhaps" is not accepted/],
    [{ AUTH_HEADER: "me:hunter2" }, /^AUTH_HEADER: its value \(not shown\) is neither Basic nor Bearer/],
    [{ AUTH_HEADER: "Basic aHVudGVyMg==" }, /^AUTH_HEADER: its value \(not shown\) is Basic, but/],
    [{ AUTH_HEADER: "Bearer a b" }, /^AUTH_HEADER: its value \(not shown\)/],
  ];
  for (const [env, expected] of cases) {
    const found = problems({ env: { REGISTRY_HOST: "reg.test", ...env } });
    t.match(found, [expected]);
    t.notMatch(found.join(), /hunter2|aHVudGVyMg/);
  }
  const { sources } = load({ env: { REGISTRY_HOST: "reg.test", AUTH_HEADER: basic, ZOT_URL: "", SECRET: "hunter2" } });
  t.match([sources.authHeader.value, sources.secret.value], ["***", "***"]);
});

t.test("a Zot front by variables, by flags, and by the file that such a proxy had", async (t) => {
  const expected = {
    kind: "zot",
    settings: {
      zotUrl: { name: "http://zot.test:8080" },
      myUrl: { name: "zot.example.test" },
      secret: "change-me",
      corsAllowedOrigins: ["https://a.test", "http://*.b.test"],
    },
  };
  const url = "http://zot.test:8080";
  const mine = "https://zot.example.test/";
  const origins = "https://a.test, http://*.b.test";
  const env = { ZOT_URL: url, MY_URL: mine, SECRET: "change-me", CORS_ALLOWED_ORIGINS: origins };
  t.match(frontsOf(load({ env }).config), [expected]);
  const argv = ["--zot-url", url, "--my-url", mine, "--secret=change-me", "--cors-allowed-origins", origins];
  t.match(frontsOf(load({ argv }).config), [expected]);
  const file = `
log-level: debug
port: 8080
zot-url: ${url}
my-url: ${mine}
secret: change-me
cors-allowed-origins:
  - https://a.test
  - http://*.b.test
`;
  const { config } = load({ file });
  t.match(frontsOf(config), [expected]);
  t.match(config, { logLevel: "debug", port: [8080] });
  t.match(frontsOf(load({ env: { ZOT_URL: "zot.test" } }).config), [
    { settings: { zotUrl: { name: "zot.test" }, myUrl: undefined, corsAllowedOrigins: ["https://*", "http://*"] } },
  ]);
  t.match(problems({ file: "zot-url: https://a.test\nzotUrl: https://b.test\n" }), [
    /^zotUrl \(e\.yaml\): it is there twice/,
  ]);
  t.match(problems({ file: "zot-uri: https://a.test\n" }), [/^zot-uri \(e\.yaml\): there is no such key/]);
  t.match(problems({ env: { ...env, CORS_ALLOWED_ORIGINS: "a.test" } }), [
    /^CORS_ALLOWED_ORIGINS: "a\.test" is no origin/,
  ]);
});

t.test("two fronts that answer everything are refused unless hosts tell them apart", async (t) => {
  const env = { REGISTRY_HOST: "reg.test", ZOT_URL: "zot.test" };
  t.match(problems({ env }), [/the fronts domain and zot would answer the same requests;/]);
  const file = "fronts: [{front: domain, hosts: [pull.test], registryHost: gcr.io, repoPrefix: a}]";
  t.match(frontsOf(load({ env: { ZOT_URL: "zot.test" }, file }).config), [{ kind: "domain" }, { kind: "zot" }]);
});

t.test("each is told by what it maps to, and by nothing secret", async (t) => {
  const file = `
fronts:
  - {front: domain, name: open, hosts: [pull.test], registryHost: gcr.io, repoPrefix: a/b}
  - {front: domain, name: lent, hosts: [lent.test], registryHost: gcr.io, authHeader: "${basic}"}
  - {front: zot, zotUrl: "http://zot.test:8080", secret: hunter2}
`;
  const lines = frontLines(load({ file }).config);
  t.match(lines, [
    { name: "open", kind: "domain", hosts: "pull.test", to: "gcr.io/a/b" },
    { name: "lent", to: "gcr.io, read with a credential of the front's own" },
    { name: "zot", hosts: "any host", to: "Zot at http://zot.test:8080, for docker too" },
  ]);
  t.notMatch(JSON.stringify(lines), /hunter2|Basic/);
});
