import t from "tap";
import { createPlainAccounts, parseBasic } from "../../../src/auth/accounts.ts";

const basic = (text: string): string => `Basic ${Buffer.from(text).toString("base64")}`;

t.test("Basic is read as RFC 7617 has it", async (t) => {
  t.same(parseBasic(basic("alice:a:b")), { user: "alice", password: "a:b" });
  t.same(parseBasic(basic("zoë:pässword").toLowerCase().replace(/ .*/, basic("zoë:pässword").slice(5))), {
    user: "zoë",
    password: "pässword",
  });
  t.same(parseBasic(basic("alice:")), { user: "alice", password: "" });
  for (const none of [undefined, "", "Basic", "Basic !!", basic("alice"), "Bearer abc", `${basic("a:b")},x`])
    t.equal(parseBasic(none), undefined, String(none));
});

t.test("an account is who has its user and its password", async (t) => {
  const accounts = createPlainAccounts([
    { user: "alice", password: "one:two" },
    { user: "bob", password: "three" },
  ]);
  t.equal(await accounts.check(basic("alice:one:two")), "alice");
  t.equal(await accounts.check(basic("bob:three")), "bob");
  for (const wrong of ["alice:three", "bob:one:two", "alice:", ":", "alice:one:two ", "alice:one", "carol:three"])
    t.equal(await accounts.check(basic(wrong)), undefined, wrong);
  t.equal(await accounts.check(undefined), undefined);
  t.equal(await accounts.check("Bearer abc"), undefined);
});

t.test("without accounts nobody is one, not even who sends nothing", async (t) => {
  const accounts = createPlainAccounts([]);
  t.equal(await accounts.check(undefined), undefined);
  t.equal(await accounts.check(basic(":")), undefined);
});
