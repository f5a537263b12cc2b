import t from "tap";
import { EntrepotError, type ErrorCode } from "../../../src/core/errors.ts";
import { makeOrigin } from "../../../src/core/origin.ts";
import { type AnswerHead, type Attempt, type BreakerChange, createBreaker } from "../../../src/upstream/breaker.ts";

type Outcome = number | ErrorCode | { status: number; retryAfter: string } | "hang";

/** An upstream that does what it is told, behind a breaker. */
function stage() {
  const clock = { time: 1_000_000_000_000, now: () => clock.time };
  const alarms: { milliseconds: number; ring: () => void }[] = [];
  const alarm = {
    after(milliseconds: number, ring: () => void) {
      const one = { milliseconds, ring };
      alarms.push(one);
      return () => void alarms.splice(alarms.indexOf(one), 1);
    },
  };
  const breaker = createBreaker({ clock, alarm });
  const changes: BreakerChange[] = [];
  breaker.onChange((change) => changes.push(change));
  let sent = 0;
  let next: Outcome = 200;
  const send = breaker.guard(
    async ({ signal }: Attempt) => {
      sent++;
      const outcome = next;
      if (outcome === "hang") {
        return await new Promise<never>((_, reject) => {
          signal.addEventListener("abort", () => reject(signal.reason as Error));
        });
      }
      if (typeof outcome === "string") throw new EntrepotError(outcome, "It failed.");
      if (typeof outcome === "number") return { status: outcome, headers: {} };
      return { status: outcome.status, headers: { "retry-after": outcome.retryAfter } };
    },
    (answer) => answer,
  );
  const origin = makeOrigin("https", "reg.test");
  const ask = (outcome: Outcome, attempt: Partial<Attempt> = {}) => {
    next = outcome;
    return send({
      origin,
      method: "GET",
      path: "/v2/app/manifests/1",
      authorization: undefined,
      signal: new AbortController().signal,
      ...attempt,
    });
  };
  const fail = async (times: number, code: ErrorCode = "UPSTREAM_UNREACHABLE") => {
    for (let count = 0; count < times; count++) await ask(code).catch(() => undefined);
  };
  return { clock, alarms, breaker, changes, origin, ask, fail, sent: () => sent };
}

t.test("three failures in a row open it; then nothing is sent and the answer is at once", async (t) => {
  const { ask, fail, breaker, origin, changes, sent, clock } = stage();
  await fail(2);
  t.equal(breaker.state(origin), "closed");
  await t.rejects(ask("UPSTREAM_UNREACHABLE"), { message: "It failed." }, "the failure itself is told as it is");
  t.equal(breaker.state(origin), "open");
  clock.time += 400;
  await t.rejects(ask(200), {
    code: "UPSTREAM_UNREACHABLE",
    message: "reg.test failed several times in a row (UPSTREAM_UNREACHABLE); it is tried again in 1 s.",
    detail: { failed: "UPSTREAM_UNREACHABLE", retryAfter: 1 },
  });
  t.equal(sent(), 3);
  t.same(changes, [{ origin: "reg.test", state: "open", code: "UPSTREAM_UNREACHABLE" }]);
  t.same(breaker.list(), changes);
  t.equal((await ask(200, { origin: makeOrigin("https", "other.test") })).status, 200, "others are not concerned");
});

t.test("one probe goes through; it closes on success", async (t) => {
  const { ask, fail, breaker, origin, changes, clock, sent, alarms } = stage();
  await fail(3);
  clock.time += 1000;
  const probe = ask("hang");
  const before = sent();
  await t.rejects(ask(200), { code: "UPSTREAM_UNREACHABLE", message: /being tried again now/ });
  t.equal(sent(), before);
  alarms[0]?.ring();
  await t.rejects(probe, { code: "UPSTREAM_TIMEOUT" });
  t.equal(breaker.state(origin), "open");
  clock.time += 1999;
  await t.rejects(ask(200), { code: "UPSTREAM_UNREACHABLE" }, "the pause has doubled");
  clock.time += 1;
  t.equal((await ask(200)).status, 200);
  t.equal(breaker.state(origin), "closed");
  t.same(
    changes.map(({ state }) => state),
    ["open", "half-open", "open", "half-open", "closed"],
  );
  t.same(breaker.list(), []);
});

t.test("a probe whose client goes away makes room for the next", async (t) => {
  const { ask, fail, breaker, origin, clock } = stage();
  await fail(3);
  clock.time += 1000;
  const client = new AbortController();
  const probe = ask("hang", { signal: client.signal });
  client.abort(new EntrepotError("CANCELLED", "gone"));
  await t.rejects(probe, { code: "CANCELLED" });
  t.equal((await ask(200)).status, 200);
  t.equal(breaker.state(origin), "closed");
});

t.test("what counts", async (t) => {
  const cases: [outcome: Outcome, times: number, opens: boolean][] = [
    ["UPSTREAM_UNRESOLVED", 3, true],
    ["UPSTREAM_TIMEOUT", 3, true],
    ["UPSTREAM_TLS", 3, true],
    ["UPSTREAM_PROTOCOL", 3, true],
    [500, 5, false],
    [500, 6, true],
    [503, 6, true],
    [404, 20, false],
    [401, 20, false],
    [429, 20, false],
    ["UPSTREAM_REDIRECTS", 20, false],
    ["CANCELLED", 20, false],
    ["DENIED", 20, false],
    ["BAD_REQUEST", 20, false],
    [{ status: 503, retryAfter: "30" }, 1, true],
    [{ status: 404, retryAfter: "30" }, 1, false],
  ];
  for (const [outcome, times, opens] of cases) {
    const { ask, breaker, origin } = stage();
    for (let count = 0; count < times; count++) await ask(outcome).catch(() => undefined);
    t.equal(breaker.state(origin) === "open", opens, `${JSON.stringify(outcome)}, ${times} times`);
  }
});

t.test("an answer between failures starts the count anew", async (t) => {
  const { ask, fail, breaker, origin } = stage();
  await fail(2);
  await ask(404);
  await fail(2);
  t.equal(breaker.state(origin), "closed");
  await fail(1, "UPSTREAM_REDIRECTS");
  await fail(2);
  t.equal(breaker.state(origin), "closed", "redirects that lead nowhere are answers");
});

t.test("after a failure nobody waits long", async (t) => {
  const { ask, fail, alarms } = stage();
  const { signal } = new AbortController();
  await ask(200, { signal });
  await fail(1);
  const waiting = ask("hang");
  t.equal(alarms[0]?.milliseconds, 5000);
  alarms[0]?.ring();
  await t.rejects(waiting, { code: "UPSTREAM_TIMEOUT" });
});

t.test("a 429 is respected until it says, for whom and for what it was said", async (t) => {
  const { ask, clock, sent, breaker, origin } = stage();
  await ask({ status: 429, retryAfter: "40" });
  t.equal(breaker.state(origin), "closed");
  clock.time += 10_000;
  await t.rejects(ask(200), {
    code: "TOOMANYREQUESTS",
    status: 429,
    message: "reg.test had too many requests and is asked again in 30 s.",
  });
  t.equal(sent(), 1);
  t.equal((await ask(200, { method: "HEAD" })).status, 200, "a HEAD is not counted");
  t.equal((await ask(200, { path: "/v2/app/blobs/x" })).status, 200, "nor is a blob");
  t.equal((await ask(200, { authorization: "Basic YTpi" })).status, 200, "an account has a quota of its own");
  t.equal((await ask(200, { origin: makeOrigin("https", "other.test") })).status, 200);
  clock.time += 30_000;
  t.equal((await ask(200)).status, 200);
});

t.test("a Retry-After of days is tried after an hour", async (t) => {
  const { ask, clock } = stage();
  await ask({ status: 429, retryAfter: "999999" });
  clock.time += 3_599_999;
  await t.rejects(ask(200), { code: "TOOMANYREQUESTS" });
  clock.time += 1;
  t.equal((await ask(200)).status, 200);
});

t.test("whose quota it is can be told by another key", async (t) => {
  const clock = { now: () => 0 };
  const breaker = createBreaker({ clock, payer: ({ authorization }) => authorization ?? "" });
  let sent = 0;
  const send = breaker.guard<Attempt, AnswerHead>(
    async () => {
      sent++;
      return { status: 429, headers: { "retry-after": "9" } };
    },
    (answer) => answer,
  );
  const attempt = {
    origin: makeOrigin("https", "reg.test"),
    method: "GET",
    path: "/v2/a/manifests/1",
    signal: new AbortController().signal,
  };
  await send({ ...attempt, authorization: "Basic a" });
  await send({ ...attempt, authorization: "Basic b" });
  await t.rejects(send({ ...attempt, authorization: "Basic a" }), { code: "TOOMANYREQUESTS" });
  t.equal(sent, 2);
});
