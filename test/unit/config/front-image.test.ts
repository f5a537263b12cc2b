import t from "tap";
import { frontsOf } from "../../../src/config/front-entries.ts";
import { loadConfig } from "../../../src/config/load.ts";
import { EntrepotError } from "../../../src/core/errors.ts";

const pair = Buffer.from("alice:hunter2").toString("base64");

function load(env: Record<string, string>, file = "mirror: true") {
  return loadConfig({ argv: [], env: { CONFIG: "e.yaml", ...env }, readFile: () => file });
}

function problems(env: Record<string, string>, file?: string): string[] {
  try {
    load(env, file);
  } catch (error) {
    if (error instanceof EntrepotError && error.code === "CONFIG_INVALID") return error.message.split("\n");
    throw error;
  }
  return [];
}

t.test("SELF_REGISTRY makes an image proxy, with the variables that it always had", async (t) => {
  const { config, sources } = load({
    UPSTREAM_REGISTRY: "http://reg.test:5000",
    SELF_REGISTRY: "https://images.test/",
    SELF_AUTH_SERVICE: "mine",
    ACCOUNTS: pair,
    SERVER_SECRET: "hunter3",
    AUTH_SERVICE: "https://auth.reg.test",
  });
  t.match(
    frontsOf(config).find(({ kind }) => kind === "image"),
    {
      name: "image",
      hosts: [],
      implicit: false,
      settings: {
        upstreamRegistry: { name: "http://reg.test:5000" },
        selfRegistry: { name: "images.test" },
        selfAuthService: "mine",
        accounts: [{ user: "alice", password: "hunter2" }],
        skipAuthProxy: false,
        serverSecret: "hunter3",
      },
    },
  );
  t.equal(sources.accounts.value, "alice:***");
  t.equal(sources.serverSecret.value, "***");
  t.equal(sources.authService.value, "https://auth.reg.test/");
  t.notMatch(JSON.stringify(sources), /hunter/);
  t.notOk(frontsOf(load({}).config).some(({ kind }) => kind === "image"));
});

t.test("what is wrong with one is told by name, and nothing secret of it", async (t) => {
  const on = { SELF_REGISTRY: "https://images.test" };
  const cases: [env: Record<string, string>, problem: RegExp][] = [
    [{ ...on, ACCOUNTS: "alice:hunter2" }, /^ACCOUNTS: entry 1 is not the base64/],
    [{ ...on, ACCOUNTS: pair, SKIP_AUTH_PROXY: "true" }, /^SKIP_AUTH_PROXY: it is true, .* or ACCOUNTS empty/],
    [{ ACCOUNTS: pair }, /^ACCOUNTS: it is set without SELF_REGISTRY or REGISTRY_STORAGE/],
    [{ ...on, SELF_REGISTRY: "https://images.test/path" }, /^SELF_REGISTRY: .* it may be the https/],
    [{ ...on, SELF_AUTH_SERVICE: 'a"b' }, /^SELF_AUTH_SERVICE: /],
    [{ ...on, AUTH_SERVICE: "auth.docker.io" }, /^AUTH_SERVICE: .* it may be the https/],
    [{ ...on, AUTH_SERVICE: "https://me:hunter2@auth.test" }, /^AUTH_SERVICE: its value \(not shown\)/],
  ];
  for (const [env, problem] of cases) {
    t.match(problems(env), [problem], JSON.stringify(env));
    t.notMatch(problems(env).join(), /hunter2|YWxpY2U/);
  }
});

t.test("several stand in the file, each with its own accounts", async (t) => {
  const file = (second: string) => `
fronts:
  - {front: image, name: one, hosts: [one.test], selfRegistry: "https://one.test", accounts: [{user: a, password: b}]}
  - {front: image, name: two, hosts: [two.test], ${second}}
`;
  const names = frontsOf(load({}, file("selfRegistry: two.test")).config).map(({ name }) => name);
  t.same(names, ["one", "two", "mirror"]);
  t.match(problems({}, file("accounts: []")), [/entry 2: \(two\) selfRegistry is missing/]);
  t.match(problems({}, file(`selfRegistry: two.test, skipAuthProxy: true, accounts: "${pair}"`)), [
    /^fronts \(e\.yaml\): \(two\) skipAuthProxy: it is true/,
  ]);
  t.match(problems({ SELF_REGISTRY: "https://a.test" }, "fronts: [{front: image, name: b, selfRegistry: b.test}]"), [
    /the fronts b and image would answer the same requests/,
  ]);
});
