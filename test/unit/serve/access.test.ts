import t from "tap";
import { Refusal } from "../../../src/serve/refusal.ts";
import {
  anonymousToken,
  basic,
  digests,
  grantTtl,
  origin,
  outcome,
  ownToken,
  publicTtl,
  stage,
  type Kind,
} from "./registry-model.ts";

const kinds: readonly Kind[] = ["blob", "manifest", "tag"];

t.test("two users of a private repository, in every order and way", async (t) => {
  for (const kind of kinds) {
    const { admit, registry, clock } = stage();
    const ask = (who: string | undefined, repository: "team" | "other" = "team", digest = digests.team) =>
      outcome(admit(who, repository, { kind, digest }));
    t.equal(await ask(basic("bob")), 403, `${kind}: before anybody`);
    t.equal(await ask(basic("alice")), "serve");
    const asked = registry.seen.length;
    t.equal(await ask(basic("alice")), "serve");
    t.equal(registry.seen.length, asked, `${kind}: the second time nobody is asked`);
    t.equal(await ask(basic("bob")), 403, `${kind}: after her`);
    t.equal(await ask(undefined), 401);
    t.equal(await ask("Bearer expired"), 401);
    t.equal(await ask(anonymousToken), 401);
    t.equal(await ask(ownToken), 401);
    t.equal(await ask(`${basic("alice")} `), 401, `${kind}: another spelling is another credential`);
    if (kind !== "tag") {
      t.equal(await ask(basic("bob"), "other"), 404, `${kind}: her digest by a path that is his`);
      t.equal(await ask(basic("bob"), "other", digests.other), "serve", `${kind}: his own`);
      clock.time += 10_000;
      t.equal(await ask(basic("bob"), "other"), 404, `${kind}: by it, now that he has a grant there`);
    }
    clock.time += grantTtl;
    registry.readers["team"]?.delete("alice");
    t.equal(await ask(basic("alice")), 403, `${kind}: her right was taken back`);
  }
});

t.test("only HEADs of the very thing are sent, and only with the requester's own Authorization", async (t) => {
  const { admit, registry } = stage();
  await admit(basic("alice"), "team");
  t.match(registry.seen[0], {
    method: "HEAD",
    path: `/v2/team/blobs/${digests.team}`,
    authorization: basic("alice"),
    scope: "repository:team:pull",
  });
  await admit(undefined, "team");
  for (const { authorization, headers } of registry.seen.slice(1)) {
    t.equal(authorization, undefined);
    t.notMatch(JSON.stringify(headers), /Basic/);
  }
});

t.test("what nobody was served is public, for everybody and for its time", async (t) => {
  const { admit, registry, clock } = stage();
  t.equal(await outcome(admit(undefined, "open")), "serve");
  const asked = registry.seen.length;
  for (const who of [undefined, basic("mallory"), "Bearer expired", anonymousToken, ownToken]) {
    t.equal(await outcome(admit(who, "open")), "serve", who ?? "nobody");
  }
  t.equal(registry.seen.length, asked);
  clock.time += publicTtl;
  t.equal(await outcome(admit(basic("mallory"), "open")), 403);
});

t.test(
  "a token that was issued to nobody proves it as well; one that we gave is not shown to the registry",
  async (t) => {
    for (const who of [anonymousToken, ownToken]) {
      const { admit, registry } = stage();
      t.equal(await outcome(admit(who, "open")), "serve");
      t.equal(registry.seen.length, 1);
      t.equal(registry.seen[0]?.authorization === ownToken, false);
      t.equal(await outcome(admit(undefined, "open")), "serve");
      t.equal(registry.seen.length, 1, "and it is public");
    }
  },
);

t.test("with a credential of ours nothing is public; it is shared with those who bring none", async (t) => {
  const { admit, registry, clock } = stage();
  registry.injects = true;
  t.equal(await outcome(admit(undefined, "team")), "serve");
  const asked = registry.seen.length;
  t.equal(await outcome(admit(undefined, "team")), "serve");
  t.equal(registry.seen.length, asked);
  t.equal(await outcome(admit(basic("bob"), "team")), 403, "his own Authorization wins");
  t.equal(await outcome(admit(ownToken, "team")), 401, "a token of ours is good for public content only");
  t.equal(await outcome(admit(undefined, "other", { digest: digests.other })), 403, "what ours may not read");
  registry.injects = false;
  clock.time += 10_000;
  t.equal(await outcome(admit(undefined, "team")), 401, "once it is taken out of the configuration");
});

t.test("a credential in another field is a credential", async (t) => {
  const { admit, registry } = stage();
  const key = { "x-api-key": "secret of the test" };
  t.equal(await outcome(admit(undefined, "team", { headers: key })), "serve", "which is known to the registry");
  const asked = registry.seen.length;
  t.equal(await outcome(admit(undefined, "team", { headers: key })), "serve");
  t.ok(registry.seen.length <= asked + 1, "granted, but for a probe");
  t.equal(await outcome(admit(undefined, "team")), 401, "it made nothing public");
  t.equal(await outcome(admit(undefined, "team", { headers: { "x-api-key": "another" } })), 401);
  t.equal(await outcome(admit(anonymousToken, "team", { headers: { cookie: "a=b" } })), 401);
  t.equal(await outcome(admit(anonymousToken, "team", { headers: key })), "serve");
  t.equal(await outcome(admit(anonymousToken, "team")), 401, "nor did it beside a token of nobody's");
});

t.test("who has a token of ours is asked for as nobody, with a token of nobody's", async (t) => {
  const { registry: other } = stage();
  const { admit, registry } = stage({ anonymously: other.fetch });
  t.equal(await outcome(admit(ownToken, "open")), "serve");
  t.same([registry.seen.length, other.seen.length], [0, 1]);
  t.match(other.seen[0], { authorization: undefined, inject: false });
});

t.test("a refusal is remembered for a moment, with a body for those who GET", async (t) => {
  const { admit, registry, clock } = stage();
  const refused = await admit(basic("bob"), "team");
  t.ok(refused instanceof Refusal);
  if (refused instanceof Refusal) {
    t.match(JSON.parse(refused.body.toString()), { errors: [{ code: "DENIED" }] });
    t.equal(refused.identity, undefined, "it holds no credential");
  }
  t.match(await admit(undefined, "team"), { headers: { "www-authenticate": /realm/ } }, "the challenge is passed on");
  const asked = registry.seen.length;
  registry.readers["team"]?.add("bob");
  t.equal(await outcome(admit(basic("bob"), "team")), 403);
  t.equal(registry.seen.length, asked);
  clock.time += 5000;
  t.equal(await outcome(admit(basic("bob"), "team")), "serve", "not for longer than five seconds");
});

t.test("a push makes refusals void", async (t) => {
  const { admit, registry, access } = stage();
  t.equal(await outcome(admit(basic("bob"), "other", { digest: digests.team })), 404);
  registry.holds = () => true;
  access.changed(origin, "team");
  t.equal(await outcome(admit(basic("bob"), "other", { digest: digests.team })), 404, "of another repository");
  access.changed(origin, "other");
  t.equal(await outcome(admit(basic("bob"), "other", { digest: digests.team })), "serve");
});

t.test("shared: as the old proxy, and nothing is kept of who read what", async (t) => {
  const { admit, access, registry, kept } = stage({ mode: "shared" });
  for (const who of [undefined, basic("bob"), "Bearer expired"]) t.equal(await outcome(admit(who, "team")), "serve");
  t.equal(registry.seen.length, 0);
  await admit(basic("alice"), "team", { stated: true });
  await access.fetched(origin, "team", digests.team);
  t.equal(kept.size, 0);
});
