import { Readable } from "node:stream";
import t from "tap";
import { createCoalesce } from "../../../src/compose/coalesce.ts";
import { EntrepotError } from "../../../src/core/errors.ts";
import { makeOrigin } from "../../../src/core/origin.ts";
import type { Shape } from "../../../src/serve/shapes.ts";
import { createStanding } from "../../../src/serve/standing.ts";
import type { UpstreamRequest, UpstreamResponse } from "../../../src/upstream/types.ts";

const origin = makeOrigin("https", "reg.test");
const challenge =
  'Bearer realm="https://auth.test/token",service="reg.test",scope="repository:a:pull",error="invalid_token"';

interface Says {
  readonly status: number;
  readonly challenge?: string;
}

function stage(kept = new Map<string, Shape>()) {
  const clock = { time: 1_800_000_000_000, now: () => clock.time };
  const asked: UpstreamRequest[] = [];
  const registry: { says: Says | undefined } = { says: { status: 401, challenge } };
  const standing = createStanding({
    async fetch(request) {
      asked.push(request);
      if (registry.says === undefined) throw new EntrepotError("UPSTREAM_UNREACHABLE", "It is gone.");
      const { status, challenge: told } = registry.says;
      const headers = told === undefined ? {} : { "www-authenticate": told };
      const body = Readable.from([]);
      return {
        status,
        headers,
        body,
        from: origin,
        rawHeaders: [],
        address: "",
        attempts: 1,
        injected: false,
      } satisfies UpstreamResponse;
    },
    shapes: {
      get: (key) => Promise.resolve(kept.get(key)),
      put: (key, shape) => Promise.resolve(void kept.set(key, shape)),
    },
    coalesce: createCoalesce(),
    clock,
  });
  return { clock, asked, registry, kept, ask: () => standing(origin, new AbortController().signal) };
}

t.test(
  "a registry is asked as nobody, once a minute, and its challenge is known without what is about one request",
  async (t) => {
    const { ask, asked, clock } = stage();
    const expected = 'Bearer realm="https://auth.test/token",service="reg.test",scope="repository:a:pull"';
    t.match(await Promise.all([ask(), ask()]), [{ status: 401, challenge: expected }, { challenge: expected }]);
    t.match(asked, [{ path: "/v2/", authorization: undefined, inject: false }]);
    clock.time += 59_000;
    await ask();
    t.equal(asked.length, 1);
    clock.time += 2000;
    await ask();
    t.equal(asked.length, 2);
    clock.time -= 3_600_000;
    await ask();
    t.equal(asked.length, 3, "a clock that was set back keeps nothing for longer");
  },
);

t.test("what wants nothing, or nothing that clients can answer, has no challenge", async (t) => {
  for (const says of [{ status: 200 }, { status: 404 }, { status: 401 }, { status: 401, challenge: "Negotiate" }]) {
    const { ask, registry } = stage();
    registry.says = says;
    const { challenge: told } = await ask();
    t.equal(told, undefined, JSON.stringify(says));
  }
});

t.test("while it is gone it is what it was, after a restart too, and is not asked each time", async (t) => {
  const first = stage();
  await first.ask();
  const restarted = stage(new Map(first.kept));
  for (const { ask, registry, asked, clock } of [first, restarted]) {
    clock.time += 3_600_000;
    asked.length = 0;
    registry.says = undefined;
    t.match(await ask(), { status: 401, challenge: /auth\.test/ });
    await ask();
    t.equal(asked.length, 1);
    registry.says = { status: 503 };
    clock.time += 6000;
    t.match(await ask(), { status: 401 });
    t.equal(asked.length, 2);
    registry.says = { status: 200 };
    clock.time += 6000;
    t.match(await ask(), { status: 200 });
  }
});

t.test("what never was known is not made up", async (t) => {
  const { ask, registry } = stage();
  registry.says = undefined;
  await t.rejects(ask(), { code: "UPSTREAM_UNREACHABLE" });
  registry.says = { status: 429 };
  await t.rejects(ask(), { code: "UPSTREAM_UNREACHABLE" });
  registry.says = { status: 200 };
  t.match(await ask(), { status: 200 });
});
