import t from "tap";
import {
  anonymousToken,
  askFor,
  basic,
  digests,
  exchangeOf,
  origin,
  outcome,
  ownToken,
  publicTtl,
  stage,
  staleIfError,
} from "./registry-model.ts";

t.test("who can be served without the upstream waits a moment for it, anybody else as long as it takes", async (t) => {
  const alarms: { milliseconds: number; ring: () => void }[] = [];
  const after = (milliseconds: number, ring: () => void) => {
    alarms.push({ milliseconds, ring });
    return () => undefined;
  };
  const { admit, registry, clock } = stage({ alarm: { after } });
  await admit(undefined, "open");
  clock.time += publicTtl;
  const gate = Promise.withResolvers<void>();
  registry.before = () => gate.promise;
  const his = outcome(admit(undefined, "open"));
  const hers = outcome(admit(basic("alice"), "team"));
  await new Promise((resolve) => setImmediate(resolve));
  t.same(
    alarms.map(({ milliseconds }) => milliseconds),
    [5000],
  );
  alarms[0]?.ring();
  gate.resolve();
  t.equal(await his, "serve");
  t.equal(await hers, "serve");
});

t.test("an outage: public and shared content is served, a grant for its time, nothing else", async (t) => {
  for (const down of ["unreachable", 429, 503] as const) {
    const { admit, registry, clock, access } = stage();
    const refusal = down === "unreachable" ? "UPSTREAM_UNREACHABLE" : down;
    await admit(anonymousToken, "open");
    await admit(basic("alice"), "team");
    registry.down = down;
    t.equal(await outcome(admit(basic("alice"), "team")), "serve", "her grant");
    t.equal(await outcome(admit(basic("bob"), "team")), refusal);
    t.equal(
      await outcome(admit(basic("alice"), "open", { digest: digests.team })),
      refusal,
      "not there, as far as known",
    );
    clock.time += publicTtl + 1;
    t.equal(await outcome(admit(basic("alice"), "team")), refusal, "her grant has ended");
    for (const who of [undefined, ownToken, anonymousToken, basic("bob"), "Bearer expired"]) {
      t.equal(await outcome(admit(who, "open")), "serve", `${down}: ${who ?? "nobody"}`);
    }
    const tag = askFor("tag", "open", digests.open);
    t.ok(await access.admitsInOutage(exchangeOf(tag.target), origin, tag.request));
    const hers = askFor("tag", "team", digests.team);
    t.notOk(await access.admitsInOutage(exchangeOf(hers.target, basic("alice")), origin, hers.request));
    clock.time += staleIfError;
    t.equal(await outcome(admit(undefined, "open")), refusal, "nor for ever");
  }
});

t.test("an outage does not make a refusal of it", async (t) => {
  const { admit, registry } = stage();
  registry.down = 503;
  t.equal(await outcome(admit(basic("alice"), "team")), 503);
  registry.down = "no";
  t.equal(await outcome(admit(basic("alice"), "team")), "serve");
});
