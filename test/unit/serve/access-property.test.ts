import fc from "fast-check";
import t from "tap";
import { Refusal } from "../../../src/serve/refusal.ts";
import {
  anonymousToken,
  askFor,
  basic,
  digests,
  exchangeOf,
  grantTtl,
  origin,
  ownToken,
  publicTtl,
  stageAccess,
  staleIfError,
} from "./registry-model.ts";

type Repository = keyof typeof digests;

/** Who the registry takes the bearer for. */
const requesters: Readonly<Record<string, { authorization: string | undefined; user: string }>> = {
  nobody: { authorization: undefined, user: "nobody" },
  anonymous: { authorization: anonymousToken, user: "nobody" },
  own: { authorization: ownToken, user: "nobody" },
  alice: { authorization: basic("alice"), user: "alice" },
  bob: { authorization: basic("bob"), user: "bob" },
  mallory: { authorization: basic("mallory"), user: "mallory" },
  expired: { authorization: "Bearer expired", user: "expired" },
};

const repositories = fc.constantFrom<Repository>("open", "team", "other");
const ask = fc.record({
  do: fc.constant("ask" as const),
  who: fc.constantFrom(...Object.keys(requesters)),
  kind: fc.constantFrom("blob" as const, "manifest" as const, "tag" as const),
  repository: repositories,
  digest: repositories,
});
const step = fc.oneof(
  { weight: 8, arbitrary: ask },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant("rights" as const),
      user: fc.constantFrom("nobody", "alice", "bob"),
      repository: repositories,
      given: fc.boolean(),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant("down" as const),
      down: fc.constantFrom("no" as const, "no" as const, "unreachable" as const, 429 as const, 503 as const),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant("wait" as const),
      milliseconds: fc.constantFrom(1, 6000, grantTtl, publicTtl, staleIfError),
    }),
  },
);

t.test(
  "nobody is served what the registry refused him for longer than a proof holds, and who may is served",
  async (t) => {
    const property = fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 60 }), async (steps) => {
      const { access, registry, clock } = stageAccess();
      /** When the registry would last have served a user. */
      const allowed = new Map<string, number>();
      /** When rights last changed, for what is remembered of refusals. */
      let changed = Number.NEGATIVE_INFINITY;
      const look = (): void => {
        for (const [repository, users] of Object.entries(registry.readers)) {
          for (const user of users) allowed.set(`${user} ${repository}`, clock.time);
        }
      };
      const since = (user: string, repository: string): number =>
        clock.time - (allowed.get(`${user} ${repository}`) ?? Number.NEGATIVE_INFINITY);
      look();
      for (const one of steps) {
        if (one.do === "wait") {
          look();
          clock.time += one.milliseconds;
        } else if (one.do === "down") registry.down = one.down;
        else if (one.do === "rights") {
          look();
          registry.readers[one.repository]?.[one.given ? "add" : "delete"](one.user);
          changed = clock.time;
        } else {
          const { authorization, user } = requesters[one.who] ?? { authorization: undefined, user: "" };
          const { repository } = one;
          const { target, request } = askFor(one.kind, repository, digests[one.digest]);
          const admission = await access
            .admit(exchangeOf(target, authorization), origin, request)
            .catch(() => "failed" as const);
          await new Promise((resolve) => setImmediate(resolve));
          const served = admission !== "failed" && admission !== "pass" && !(admission instanceof Refusal);
          look();
          const isThere = one.kind === "tag" || one.digest === repository;
          const down = registry.down !== "no";
          const wasPublic = since("nobody", repository) < publicTtl + (down ? staleIfError : 0);
          const may = isThere && (wasPublic || since(user, repository) < grantTtl);
          if (served && !may) return false;
          const must = isThere && !down && registry.mayRead(user, repository) && clock.time - changed > 5000;
          if (must && !served) return false;
        }
      }
      return true;
    });
    await t.resolves(fc.assert(property, { numRuns: 100 }));
  },
);
