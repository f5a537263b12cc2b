import t from "tap";
import { loadConfig } from "../../../src/config/load.ts";
import { EntrepotError } from "../../../src/core/errors.ts";

const encoded = (...pairs: string[]): string => pairs.map((pair) => Buffer.from(pair).toString("base64")).join(",");

function load(env: Record<string, string>, file = "") {
  return loadConfig({
    argv: [],
    env: { REGISTRY_STORAGE: "registry", ...env, ...(file !== "" && { CONFIG: "e.yaml" }) },
    readFile: () => file,
  });
}

function problems(env: Record<string, string>, file = ""): string {
  try {
    load(env, file);
  } catch (error) {
    if (error instanceof EntrepotError && error.code === "CONFIG_INVALID") return error.message;
    throw error;
  }
  return "";
}

t.test("ACCOUNTS is a list of base64 pairs, or in the file of users and passwords", async (t) => {
  const { config, sources } = load({ ACCOUNTS: `${encoded("alice:one:two", "bob:three")},` });
  t.same(config.accounts, [
    { user: "alice", password: "one:two" },
    { user: "bob", password: "three" },
  ]);
  t.equal(sources.accounts.value, "alice:*** bob:***");
  t.same(load({}, "accounts: [{user: alice, password: one}]").config.accounts, [{ user: "alice", password: "one" }]);
  t.equal(load({}).sources.accounts.value, "everybody");
});

t.test("what is wrong in it is told by its place, and nothing of it is repeated", async (t) => {
  const cases: [env: Record<string, string>, file: string, expected: RegExp][] = [
    [{ ACCOUNTS: `${encoded("a:b")},alice:hunter2` }, "", /^ACCOUNTS: entry 2 is not the base64 of user:password;/],
    [{ ACCOUNTS: encoded("hunter2") }, "", /^ACCOUNTS: entry 1 is not the base64/],
    [{ ACCOUNTS: encoded(":hunter2") }, "", /^ACCOUNTS: entry 1 has no user/],
    [{ ACCOUNTS: encoded("a:hunter2\n") }, "", /^ACCOUNTS: entry 1 holds .* the line feed that echo adds/],
    [{ ACCOUNTS: encoded("hunter2:") }, "", /^ACCOUNTS: entry 1 has no password/],
    [{ ACCOUNTS: encoded("a:b", "a:hunter2") }, "", /^ACCOUNTS: entry 2 has the user of another one/],
    [{}, "accounts: [{user: hunter2}]", /^accounts \(e\.yaml\): entry 1 is neither base64 nor/],
  ];
  for (const [env, file, expected] of cases) {
    t.match(problems(env, file), expected);
    t.notMatch(problems(env, file), new RegExp(`hunter2|${encoded("hunter2").slice(0, 8)}`));
  }
});

t.test("accounts that no front has are refused: what they should close would be open", async (t) => {
  const none = { REGISTRY_STORAGE: "" };
  t.match(problems({ ...none, ACCOUNTS: encoded("alice:one") }), /^ACCOUNTS: it is set without/);
  t.match(problems({ ...none, HTPASSWD_FILE: "/users" }), /^HTPASSWD_FILE: no front has these users; REGISTRY_STORAGE/);
  const listed = "fronts: [{front: registry, hosts: [a.test]}]";
  t.match(problems({ ACCOUNTS: encoded("alice:one") }, listed), /^ACCOUNTS: it is set without/);
  t.match(problems({ HTPASSWD_FILE: "/users" }, listed), /^HTPASSWD_FILE: no front has these users/);
  t.equal(problems({ HTPASSWD_FILE: "/users" }), "");
  t.equal(problems({ ...none, PROXY_STORAGE: "/cache", HTPASSWD_FILE: "/users" }), "");
});
