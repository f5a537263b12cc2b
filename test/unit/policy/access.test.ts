import fc from "fast-check";
import t from "tap";
import {
  type AccessFacts,
  type AccessVerdict,
  decideAccess,
  decideInOutage,
  isWorthProbing,
  type Proof,
  proofOf,
  type Requester,
  requesterOf,
} from "../../../src/policy/access.ts";

const now = 1_000_000;
const hour = 3_600_000;
const good = now + 1;
const past = now;
const staleIfError = 60 * 24 * hour;
const longPast = now - staleIfError;

const requesters: readonly Requester[] = ["nobody", "ours", "anonymous", "own", "credential"];

function factsOf(facts: Partial<AccessFacts>): AccessFacts {
  return {
    mode: "verified",
    requester: "credential",
    publicUntil: undefined,
    sharedUntil: undefined,
    grantUntil: undefined,
    member: true,
    now,
    ...facts,
  };
}

t.test("who asks", async (t) => {
  const cases: [authorized: boolean, own: boolean, anonymous: boolean, injects: boolean, expected: Requester][] = [
    [false, false, false, false, "nobody"],
    [false, false, false, true, "ours"],
    [true, false, false, false, "credential"],
    // The client's own Authorization wins over ours.
    [true, false, false, true, "credential"],
    [true, false, true, false, "anonymous"],
    [true, false, true, true, "anonymous"],
    [true, true, false, false, "own"],
    // A token of ours is good for public content only, also where we inject.
    [true, true, false, true, "own"],
    [true, true, true, true, "own"],
  ];
  for (const [authorized, own, anonymous, injects, expected] of cases) {
    t.equal(
      requesterOf({ authorized, own, anonymous, injects }),
      expected,
      `${authorized} ${own} ${anonymous} ${injects}`,
    );
  }
});

t.test("the table of cases", async (t) => {
  type Row = [facts: Partial<AccessFacts>, expected: AccessVerdict, inOutage: boolean];
  const rows: Row[] = [
    // Nothing is known of the repository: the registry's word is asked for, and without it nothing is served.
    [{ requester: "nobody" }, "ask", false],
    [{ requester: "ours" }, "ask", false],
    [{ requester: "anonymous" }, "ask", false],
    [{ requester: "credential" }, "ask", false],
    [{ requester: "own" }, "probe", false],
    // Public: everybody is served, and in an outage for staleIfError past its time.
    ...requesters.flatMap((requester): Row[] => [
      [{ requester, publicUntil: good }, "serve", true],
      [{ requester, publicUntil: past }, requester === "own" ? "probe" : "ask", true],
      [{ requester, publicUntil: longPast + 1 }, requester === "own" ? "probe" : "ask", true],
      [{ requester, publicUntil: longPast }, requester === "own" ? "probe" : "ask", false],
    ]),
    // A digest that the registry did not confirm in this repository: asked for, whatever the right to read it.
    ...requesters.map((requester): Row => [
      { requester, publicUntil: good, sharedUntil: good, grantUntil: good, member: false },
      requester === "own" ? "probe" : "ask",
      false,
    ]),
    // Granted to this very credential, and never longer than its time.
    [{ requester: "credential", grantUntil: good }, "serve", true],
    [{ requester: "credential", grantUntil: past }, "ask", false],
    // Read by a credential of ours: for those who send none, and for nobody else.
    [{ requester: "ours", sharedUntil: good }, "serve", true],
    [{ requester: "ours", sharedUntil: past }, "ask", true],
    [{ requester: "ours", sharedUntil: longPast }, "ask", false],
    [{ requester: "nobody", sharedUntil: good }, "ask", false],
    [{ requester: "anonymous", sharedUntil: good }, "ask", false],
    [{ requester: "credential", sharedUntil: good }, "ask", false],
    [{ requester: "own", sharedUntil: good }, "probe", false],
    // A grant belongs to a credential.
    [{ requester: "nobody", grantUntil: good }, "ask", false],
    [{ requester: "ours", grantUntil: good }, "ask", false],
    [{ requester: "anonymous", grantUntil: good }, "ask", false],
    [{ requester: "own", grantUntil: good }, "probe", false],
    // shared: as the old proxy.
    ...requesters.map((requester): Row => [{ mode: "shared", requester, member: false }, "serve", true]),
  ];
  for (const [facts, expected, inOutage] of rows) {
    const name = JSON.stringify(facts);
    t.equal(decideAccess(factsOf(facts)), expected, name);
    t.equal(decideInOutage(factsOf(facts), staleIfError), inOutage, `${name} in an outage`);
  }
});

t.test("what an answer proves", async (t) => {
  const cases: [requester: Requester, injected: boolean, expected: Proof][] = [
    ["nobody", false, "public"],
    ["nobody", true, "shared"],
    ["ours", true, "shared"],
    ["ours", false, "shared"],
    ["anonymous", false, "public"],
    ["anonymous", true, "shared"],
    ["own", false, "public"],
    ["own", true, "shared"],
    ["credential", false, "grant"],
    ["credential", true, "grant"],
  ];
  for (const [requester, injected, expected] of cases) t.equal(proofOf(requester, injected), expected, requester);
});

t.test("a probe is made after a credential was served, once in a while", async (t) => {
  t.ok(isWorthProbing(factsOf({}), undefined));
  t.ok(isWorthProbing(factsOf({ publicUntil: past }), past));
  t.notOk(isWorthProbing(factsOf({}), good));
  t.notOk(isWorthProbing(factsOf({ publicUntil: good }), undefined));
  t.notOk(isWorthProbing(factsOf({ requester: "anonymous" }), undefined));
  t.notOk(isWorthProbing(factsOf({ mode: "shared" }), undefined));
});

const times = fc.option(fc.integer({ min: now - 2 * staleIfError, max: now + hour }), { nil: undefined });
const anyFacts = fc.record({
  mode: fc.constant("verified" as const),
  requester: fc.constantFrom(...requesters),
  publicUntil: times,
  sharedUntil: times,
  grantUntil: times,
  member: fc.boolean(),
  now: fc.constant(now),
});

t.test("nothing is served without a proof that holds, in an outage or out of it", async (t) => {
  const property = fc.property(anyFacts, (facts) => {
    const held = (until: number | undefined, more = 0) => until !== undefined && until + more > now;
    const own = facts.requester === "credential" && held(facts.grantUntil);
    const ours = (more: number) => facts.requester === "ours" && held(facts.sharedUntil, more);
    const proven = (more: number) => facts.member && (held(facts.publicUntil, more) || ours(more) || own);
    return (
      (decideAccess(facts) === "serve") === proven(0) && decideInOutage(facts, staleIfError) === proven(staleIfError)
    );
  });
  t.doesNotThrow(() => fc.assert(property));
});

t.test("what is served in good times is served in an outage", async (t) => {
  const property = fc.property(anyFacts, (facts) => decideAccess(facts) !== "serve" || decideInOutage(facts, 0));
  t.doesNotThrow(() => fc.assert(property));
});

t.test("our own credential makes nothing public, and a token of ours is not sent anywhere", async (t) => {
  for (const requester of requesters) t.not(proofOf(requester, true), "public", requester);
  const property = fc.property(anyFacts, (facts) => facts.requester !== "own" || decideAccess(facts) !== "ask");
  t.doesNotThrow(() => fc.assert(property));
});
