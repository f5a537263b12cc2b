import { randomBytes } from "node:crypto";
import t from "tap";
import { createPlainAccounts } from "../../../src/auth/accounts.ts";
import { createTokenIssuer } from "../../../src/auth/issued-token.ts";
import { createTokenSeal } from "../../../src/auth/sealed-token.ts";
import { createGate } from "../../../src/front/image-gate.ts";

const clock = { now: () => 1_800_000_000_000 };
const issuer = createTokenIssuer({ secret: randomBytes(32), issuer: "mine", clock });
const seal = createTokenSeal(randomBytes(32), clock);
const basic = (text: string): string => `Basic ${Buffer.from(text).toString("base64")}`;
const signal = () => new AbortController().signal;

function gates({ passes = false } = {}) {
  const accounts = {
    ...createPlainAccounts([{ user: "alice", password: "hers" }]),
    has: (user: string) => user === "alice",
  };
  const parts = { issuer, seal, passesPairs: () => Promise.resolve(passes) };
  const open = createGate({ ...parts, accounts: undefined });
  const closed = createGate({ ...parts, accounts });
  return {
    open: (authorization?: string) => open(authorization, signal),
    closed: (authorization?: string) => closed(authorization, signal),
  };
}

t.test("what each Authorization is worth, without accounts and with", async (t) => {
  const { open, closed } = gates();
  const own = `Bearer ${await issuer.issue("alice", [])}`;
  const strangers = `Bearer ${await issuer.issue("bob", [])}`;
  const nobodys = `Bearer ${await issuer.issue("", [])}`;
  const another = createTokenIssuer({ secret: randomBytes(32), issuer: "mine", clock });
  const forged = `Bearer ${await another.issue("alice", [])}`;
  const lent = `Bearer ${seal.seal("upstreams", clock.now() + 1)}`;
  const over = `Bearer ${seal.seal("upstreams", clock.now())}`;
  const cases: [authorization: string | undefined, without: string, withAccounts: string][] = [
    [undefined, "nobody", "refused"],
    [own, "account", "account"],
    [own.replace("Bearer", "bearer "), "account", "account"],
    [strangers, "account", "refused"],
    [nobodys, "account", "refused"],
    [forged, "refused", "refused"],
    [lent, "lent", "lent"],
    [over, "refused", "refused"],
    ["Bearer upstreams", "own", "refused"],
    ["Bearer a.b.c", "own", "refused"],
    ["Bearer", "own", "refused"],
    [basic("alice:hers"), "own", "account"],
    [basic("alice:wrong"), "own", "refused"],
    [basic("bob:hers"), "own", "refused"],
    ["Negotiate abc", "own", "refused"],
    ["", "own", "refused"],
  ];
  for (const [authorization, without, withAccounts] of cases) {
    t.equal((await open(authorization)).kind, without, `${authorization} without accounts`);
    t.equal((await closed(authorization)).kind, withAccounts, `${authorization} with accounts`);
  }
  t.match(await closed(lent), { authorization: "Bearer upstreams" }, "goes on without its seal");
});

t.test("a listed pair is the registry's to judge where that asks for it", async (t) => {
  const { closed } = gates({ passes: true });
  t.same(await closed(basic("alice:hers")), { kind: "own", authorization: basic("alice:hers") });
  t.equal((await closed(basic("alice:wrong"))).kind, "refused");
});
