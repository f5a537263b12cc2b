import fc from "fast-check";
import t from "tap";
import { parseChallenges } from "../../../src/core/challenge.ts";
import { makeOrigin } from "../../../src/core/origin.ts";
import { ownChallenge, wantsBasic } from "../../../src/front/image-upstream.ts";

const self = { url: makeOrigin("https", "images.test", 8443), service: "mine" };
const realm = 'realm="https://images.test:8443/v2/auth"';
const hub = 'Bearer realm="https://auth.docker.io/token",service="registry.docker.io"';

t.test(
  "the registry's challenge keeps all but its realm; where it has none, or none to answer, there is one of ours",
  async (t) => {
    const ping = (challenge: string | undefined, lends = false): string =>
      ownChallenge({ challenge, lends }, self, "GET", "/v2/");
    t.equal(ping(undefined), `Bearer ${realm},service="mine"`);
    t.equal(ping(hub), `Bearer ${realm},service="registry.docker.io"`);
    t.equal(ping(hub, true), `Bearer ${realm},service="registry.docker.io"`);
    t.equal(ping('Bearer realm="https://a.test/t"'), `Bearer ${realm}`);
    t.equal(ping('Basic realm="Registry"'), `Basic ${realm}`);
    t.equal(ping('Basic realm="Registry"', true), `Bearer ${realm},service="mine"`);
    t.equal(ping(`${hub}, Basic realm="x"`), `Bearer ${realm},service="registry.docker.io", Basic ${realm}`);
    t.equal(ping(`${hub}, Basic realm="x"`, true), `Bearer ${realm},service="registry.docker.io"`);
  },
);

t.test("it says which token would do for what was asked", async (t) => {
  const scope = (method: string, target: string): string | undefined =>
    parseChallenges(ownChallenge({ challenge: hub, lends: false }, self, method, target))[0]?.parameters["scope"];
  t.equal(scope("GET", "/v2/team/app/manifests/1"), "repository:team/app:pull");
  t.equal(scope("HEAD", "/v2/team/app/tags/list?n=1"), "repository:team/app:pull");
  t.equal(scope("POST", "/v2/team/app/blobs/uploads/"), "repository:team/app:pull,push");
  t.equal(scope("DELETE", "/v2/team/app/manifests/1"), "repository:team/app:delete");
  t.equal(scope("GET", "/v2/_catalog"), "registry:catalog:*");
  t.equal(scope("GET", "/v2/"), undefined);
  t.equal(scope("GET", "/v2/../x"), undefined);
});

t.test("whatever a client asks for, nothing but what was meant stands in the challenge", async () => {
  fc.assert(
    fc.property(
      fc.string({ unit: "binary", maxLength: 40 }),
      fc.constantFrom("GET", "POST", "DELETE"),
      (path, method) => {
        const told = parseChallenges(ownChallenge({ challenge: undefined, lends: false }, self, method, `/v2/${path}`));
        const names = Object.keys(told[0]?.parameters ?? {}).filter((name) => name !== "scope");
        return told.length === 1 && names.join() === "realm,service" && told[0]?.parameters["service"] === "mine";
      },
    ),
  );
});

t.test("Basic is what a registry wants that offers nothing else", async (t) => {
  t.ok(wantsBasic('Basic realm="x"'));
  for (const other of [undefined, "", hub, `${hub}, Basic realm="x"`, "Negotiate"])
    t.notOk(wantsBasic(other), String(other));
});
