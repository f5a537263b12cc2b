import t from "tap";
import { claimsOf } from "../../../src/config/front-claims.ts";
import { frontsOf } from "../../../src/config/front-entries.ts";
import { loadConfig } from "../../../src/config/load.ts";
import { EntrepotError } from "../../../src/core/errors.ts";

function load(file: string, env: Record<string, string> = {}) {
  return loadConfig({ argv: [], env: { CONFIG: "e.yaml", ...env }, readFile: () => file });
}

function problems(file: string, env: Record<string, string> = {}): string[] {
  try {
    load(file, env);
  } catch (error) {
    if (error instanceof EntrepotError && error.code === "CONFIG_INVALID") return error.message.split("\n");
    throw error;
  }
  return [];
}

t.test("the mirror is there unless it is turned off", async (t) => {
  t.match(frontsOf(load("port: 1").config), [{ kind: "mirror", name: "mirror", hosts: [], implicit: true }]);
  t.same(frontsOf(load("mirror: false").config), []);
  const [own] = frontsOf(load("port: 1", { UPSTREAM_REGISTRY: "quay.io" }).config);
  t.match(own, { settings: { upstreamRegistry: { name: "quay.io" } } });
});

t.test("the file lists any number of fronts, each with its own options", async (t) => {
  const file = `
fronts:
  - {front: mirror, hosts: [mirror.test, "other.test:5000"], upstreamRegistry: "http://reg.test:5000"}
  - {front: mirror, name: second, hosts: second.test}
`;
  const { config, sources } = load(file);
  t.match(frontsOf(config), [
    {
      name: "mirror",
      hosts: [{ host: "mirror.test" }, { host: "other.test", port: 5000 }],
      settings: { upstreamRegistry: { name: "http://reg.test:5000" } },
      implicit: false,
    },
    { name: "second", settings: { upstreamRegistry: { name: "registry-1.docker.io" } } },
  ]);
  t.equal(sources.fronts.value, "mirror second (mirror)");
});

t.test("a front that is misconfigured is refused by its place and name", async (t) => {
  const cases: [string, RegExp][] = [
    ["fronts: [5]", /^fronts \(e\.yaml\): entry 1: it is no map/],
    ["fronts: [{front: gateway}]", /entry 1: front is "gateway"; it may be one of mirror/],
    ["fronts: [{front: mirror, name: My Front}]", /entry 1: name is "My Front"; it may be up to 32/],
    ["fronts: [{front: mirror, hosts: ['a b/c']}]", /entry 1 \(mirror\): hosts has "a b\/c"/],
    ["fronts: [{front: mirror, colour: red}]", /entry 1: \(mirror\) it has no option "colour"; it may have upstream/],
    [
      "fronts: [{front: mirror, upstreamRegistry: 'ftp://x'}]",
      /entry 1: \(mirror\) upstreamRegistry: "ftp:\/\/x" is not/,
    ],
    ["fronts: [{front: registry, accounts: [{user: a}]}]", /entry 1: \(registry\) accounts: entry 1 is neither/],
    ["fronts: [{front: registry, htpasswdFile: {}}]", /entry 1: \(registry\) htpasswdFile: .*; it may be a path/],
  ];
  for (const [file, expected] of cases) t.match(problems(file), [expected], file);
});

t.test("nothing secret of a registry's URL is repeated", async (t) => {
  t.notMatch(problems("upstreamRegistry: https://me:hunter2@reg.test").join(), /hunter2/);
});

t.test("two fronts that would answer the same request are refused by their names", async (t) => {
  const two = (first: string, second: string): string =>
    `fronts: [{front: mirror, name: one${first}}, {front: mirror, name: two${second}}]`;
  t.match(problems(two("", "")), [/^fronts \(e\.yaml\): the fronts one and two would answer the same requests;/]);
  t.match(problems(two(", hosts: [a.test]", ", hosts: [b.test, a.test]")), [/one and two .* for a\.test;/]);
  t.match(problems(two(", hosts: [a.test]", ", hosts: ['a.test:5000']")), [/one and two .* for a\.test:5000;/]);
  t.same(problems(two(", hosts: [a.test]", ", hosts: [b.test]")), []);
  t.same(problems(two("", ", hosts: [a.test]")), []);
  t.match(problems("fronts: [{front: mirror, name: a}, {front: mirror, name: a, hosts: [a.test]}]"), [/called a;/]);
});

t.test("a mirror may stand beside a registry: it has what names a registry by ?ns=", async (t) => {
  const file = "fronts: [{front: mirror}, {front: registry}]";
  const [mirror, registry] = frontsOf(load(file, { REGISTRY_STORAGE: "/registry" }).config);
  t.match(mirror && claimsOf(mirror), [
    { paths: "ns", yields: false },
    { paths: "registry", yields: true },
  ]);
  t.match(registry && claimsOf(registry), [
    { paths: "proxy", yields: false },
    { paths: "registry", yields: false },
  ]);
});

t.test("a registry is there when it is asked for, once, and not beside one that is listed", async (t) => {
  const kinds = (env: Record<string, string>, file = "port: 1") =>
    frontsOf(load(file, env).config).map(({ name }) => name);
  t.same(kinds({ REGISTRY_STORAGE: "/r" }), ["mirror", "registry"]);
  t.same(kinds({ PROXY_STORAGE: "/p" }), ["mirror", "registry"]);
  t.same(kinds({}), ["mirror"]);
  t.same(kinds({ REGISTRY_STORAGE: "/r" }, "fronts: [{front: registry, name: own, hosts: [a.test]}]"), [
    "own",
    "mirror",
  ]);
});
