import t from "tap";
import { createCredentials, credentialOf } from "../../../src/auth/credentials.ts";
import { makeOrigin } from "../../../src/core/origin.ts";

const entry = { user: "me", password: "a:b" };
const https = (host: string, port?: number) => makeOrigin("https", host, port);

t.test("the exact host alone", async (t) => {
  const credentials = createCredentials([{ ...entry, host: "Registry.test" }]);
  t.equal(credentials(https("registry.test"))?.basic, `Basic ${Buffer.from("me:a:b").toString("base64")}`);
  t.equal(credentials(https("registry.test", 5000))?.user, "me");
  for (const host of ["a.registry.test", "registry.test.evil.test", "egistry.test", "test"]) {
    t.equal(credentials(https(host)), undefined, host);
  }
});

t.test("an entry with a port", async (t) => {
  const credentials = createCredentials([
    { ...entry, host: "registry.test", port: 5000 },
    { ...entry, host: "fd00::1", port: 5000 },
    { ...entry, host: "other.test" },
    { ...entry, user: "special", host: "other.test", port: 5000 },
  ]);
  t.equal(credentials(https("registry.test")), undefined);
  t.equal(credentials(https("registry.test", 5000))?.user, "me");
  t.equal(credentials(https("fd00::1", 5000))?.user, "me");
  t.equal(credentials(https("other.test"))?.user, "me");
  t.equal(credentials(https("other.test", 5000))?.user, "special");
});

t.test("a password does not go out in clear unless its port is named", async (t) => {
  const credentials = createCredentials([
    { ...entry, host: "registry.test" },
    { ...entry, host: "plain.test", port: 80 },
  ]);
  t.equal(credentials(makeOrigin("http", "registry.test")), undefined);
  t.equal(credentials(makeOrigin("http", "plain.test"))?.user, "me");
});

t.test("users that look special are users", async (t) => {
  for (const user of ["$oauthtoken", "_json_key", "AWS"]) {
    const basic = createCredentials([{ host: "registry.test", user, password: '{"a": 1}' }])(
      https("registry.test"),
    )?.basic;
    t.equal(Buffer.from(basic?.slice(6) ?? "", "base64").toString(), `${user}:{"a": 1}`);
  }
});

t.test("two credentials for one host stop the start, neither is shown", async (t) => {
  const twice = [
    { ...entry, host: "registry.test", password: "hidden1" },
    { ...entry, host: "REGISTRY.test", password: "hidden2" },
  ];
  try {
    createCredentials(twice);
    t.fail("accepted");
  } catch (error) {
    t.match(error, { code: "CONFIG_INVALID", message: /registry\.test/ });
    t.notMatch(String(error), "hidden");
  }
});

t.test("a front's credential is for what is asked in its name alone, which gets no other", async (t) => {
  const own = credentialOf("front", "robot", "lent");
  const credentials = createCredentials(
    [{ host: "quay.io", user: "alice", password: "own" }],
    new Map([["front", own]]),
  );
  t.equal(credentials(makeOrigin("https", "quay.io", undefined, "front")), own);
  t.equal(credentials(makeOrigin("https", "quay.io", undefined, "other")), undefined);
  t.match(credentials(makeOrigin("https", "quay.io")), { user: "alice" });
});
