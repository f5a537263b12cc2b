import t from "tap";
import { EntrepotError } from "../../../src/core/errors.ts";
import { Refusal } from "../../../src/serve/refusal.ts";
import { askFor, basic, digests, exchangeOf, grantTtl, origin, outcome, size, stage } from "./registry-model.ts";

t.test("a probe of our own finds out that a repository is public", async (t) => {
  const { admit, registry } = stage();
  t.equal(await outcome(admit(basic("bob"), "open", { headers: { "x-api-key": "secret of the test" } })), "serve");
  await new Promise((resolve) => setImmediate(resolve));
  const [, probe] = registry.seen;
  t.match(probe, { method: "HEAD", authorization: undefined, inject: false });
  t.notMatch(JSON.stringify(probe?.headers), /secret/, "as nobody");
  t.equal(await outcome(admit("Bearer another token", "open")), "serve");
  t.equal(registry.seen.length, 2);
});

t.test("a probe that finds it closed is not repeated soon; one with a credential of ours proves nothing", async (t) => {
  const { admit, registry, clock } = stage();
  for (let count = 0; count < 3; count++) {
    await admit(basic("alice"), "team");
    await new Promise((resolve) => setImmediate(resolve));
    clock.time += grantTtl;
  }
  t.equal(registry.seen.filter(({ inject }) => inject === false).length, 1);
  t.equal(await outcome(admit(undefined, "team")), 401);
});

t.test("a probe that a credential of ours went with proves nothing", async (t) => {
  const { registry: other } = stage();
  other.injects = true;
  const { admit } = stage({
    anonymously: (request) => other.fetch({ ...request, authorization: undefined, inject: true }),
  });
  await admit(basic("alice"), "team");
  await new Promise((resolve) => setImmediate(resolve));
  t.equal(other.seen.length, 1);
  t.equal(await outcome(admit(undefined, "team")), 401);
});

t.test("what is deleted at the registry is not there any more", async (t) => {
  const { admit, registry, clock } = stage();
  await admit(basic("alice"), "team");
  registry.holds = () => false;
  t.equal(await outcome(admit(basic("alice"), "team", { stated: true })), 404);
  registry.holds = () => true;
  clock.time += 5000;
  const asked = registry.seen.length;
  t.equal(await outcome(admit(basic("alice"), "team")), "serve");
  t.equal(registry.seen.length, asked + 1, "so that it is asked for");
  registry.holds = () => false;
  t.equal(await outcome(admit(basic("bob"), "team", { stated: true })), 403);
  clock.time += 5000;
  t.equal(await outcome(admit(basic("alice"), "team")), "serve", "a stranger's refusal says nothing of it");
});

t.test("many at once are one question; another credential's is another", async (t) => {
  const { admit, registry } = stage();
  const gate = Promise.withResolvers<void>();
  registry.before = () => gate.promise;
  const ours = Array.from({ length: 20 }, () => outcome(admit(basic("alice"), "team")));
  const his = outcome(admit(basic("bob"), "team"));
  gate.resolve();
  t.same(new Set(await Promise.all(ours)), new Set(["serve"]));
  t.equal(await his, 403);
  t.equal(registry.seen.filter(({ inject }) => inject !== false).length, 2);
});

t.test("what the registry states is asked for where it is needed, and has to fit what is held", async (t) => {
  const { admit, registry, clock } = stage();
  const stated = { size, mediaType: "application/x-blob", digest: undefined };
  t.same(await admit(basic("alice"), "team", { stated: true }), { stated });
  t.same(await admit(basic("alice"), "team"), { stated: undefined });
  t.same(await admit(basic("alice"), "team", { stated: true }), { stated });
  registry.down = "unreachable";
  t.equal(await outcome(admit(basic("alice"), "team", { stated: true })), "UPSTREAM_UNREACHABLE");
  registry.down = "no";
  clock.time += grantTtl;
  t.equal(
    await outcome(admit(basic("bob"), "other", { size: size + 1 })),
    "pass",
    "a page that says 200 to everything",
  );
  registry.headers = { "docker-content-digest": digests.open };
  t.equal(await outcome(admit(basic("bob"), "other")), "pass");
  registry.headers = {};
  const before = registry.seen.length;
  t.equal(await outcome(admit(basic("bob"), "other", { size })), "serve");
  t.ok(registry.seen.length > before, "and what did not fit proved nothing");
});

t.test("a registry without HEAD is asked for the first byte", async (t) => {
  const staged = stage();
  const { registry } = staged;
  const seen: string[] = [];
  const fetch: typeof registry.fetch = async (request) => {
    seen.push(`${request.method} ${String(request.headers["range"] ?? "")}`);
    const answer = await registry.fetch(request);
    return request.method === "HEAD" ? { ...answer, status: 405 } : answer;
  };
  const { admit } = stage({ fetch });
  t.equal(await outcome(admit(basic("alice"), "team")), "serve");
  t.same(seen, ["HEAD ", "GET bytes=0-0"]);
});

t.test("who asks for what a flight of the same credential is fetching waits for its head", async (t) => {
  const { admit, access, registry } = stage();
  const { target, request } = askFor("blob", "team", digests.team);
  const head = Promise.withResolvers<void>();
  access.leading(exchangeOf(target, basic("alice")), origin, request).began(head.promise);
  const follower = outcome(admit(basic("alice"), "team"));
  t.equal(await outcome(admit(basic("bob"), "team")), 403, "another credential asks for itself");
  head.resolve();
  t.equal(await follower, "serve");
  t.equal(registry.seen.length, 1);
  const refused = Promise.withResolvers<void>();
  access.leading(exchangeOf(target, basic("alice")), origin, request).began(refused.promise);
  const second = outcome(admit(basic("alice"), "team"));
  const answer = await admit(basic("bob"), "team");
  if (!(answer instanceof Refusal)) throw new Error("It is a refusal.");
  refused.reject(answer);
  t.equal(await second, 403, "its refusal is the follower's");
  const broken = Promise.reject(new EntrepotError("CACHE_IO", "no disk"));
  access.leading(exchangeOf(target, basic("alice")), origin, request).began(broken);
  t.equal(await outcome(admit(basic("alice"), "team")), "serve", "any other failure says nothing");
});

t.test("what is learned from a pull itself", async (t) => {
  const { admit, access, registry, credential, records } = stage();
  const { target, request } = askFor("blob", "team", digests.team);
  const answer = { status: 200, headers: {}, injected: false };
  const hers = exchangeOf(target, basic("alice"));
  await access.learn(hers, origin, request, answer);
  const place = { origin, repository: "team" };
  t.ok(await records.grantUntil(credential(basic("alice")), place));
  t.notOk(await records.isMember(place, digests.team), "the bytes are not proven yet");
  await access.fetched(origin, "team", digests.team);
  t.equal(await outcome(admit(basic("alice"), "team")), "serve");
  t.equal(registry.seen.length, 0);
  await access.learn(hers, origin, request, { ...answer, status: 401 });
  t.notOk(await records.grantUntil(credential(basic("alice")), place));
  for (const status of [307, 404, 429, 500]) {
    await access.learn(exchangeOf(target), origin, request, { ...answer, status });
    t.notOk(await records.publicUntil(place), `${status}`);
  }
});

t.test("a grant ends with its token", async (t) => {
  const { access, records, credential, clock } = stage();
  const claims = Buffer.from(JSON.stringify({ exp: clock.time / 1000 + 60 })).toString("base64url");
  const authorization = `Bearer e30.${claims}.x`;
  const { target, request } = askFor("blob", "team", digests.team);
  await access.learn(exchangeOf(target, authorization), origin, request, { status: 200, headers: {}, injected: false });
  const until = await records.grantUntil(credential(authorization), { origin, repository: "team" });
  t.equal(until, clock.time + 60_000);
});

t.test("what a manifest refers to is not for that in its repository", async (t) => {
  const { admit, access } = stage();
  await access.referenced(origin, "other", [digests.team, digests.open]);
  await admit(undefined, "open");
  await admit(basic("bob"), "other");
  t.equal(await outcome(admit(basic("bob"), "other", { digest: digests.team })), 404);
  t.equal(await outcome(admit(basic("bob"), "other", { digest: digests.open })), "serve", "but what all may have is");
});
