import t from "tap";
import { tokenServiceOf } from "../../../src/front/token-service.ts";

const hub = 'Bearer realm="https://auth.docker.io/token",service="registry.docker.io"';

t.test("the token service is the one that the registry names, or AUTH_SERVICE in its place", async (t) => {
  const cases: [
    challenge: string | undefined,
    given: string | undefined,
    plain: boolean,
    expected: string | undefined,
  ][] = [
    [hub, undefined, false, "auth.docker.io/token"],
    ['Bearer realm="https://git.test/jwt/auth?x=1"', undefined, false, "git.test/jwt/auth?x=1"],
    ['Bearer realm="http://tokens.test/t"', undefined, false, undefined],
    ['Bearer realm="http://tokens.test/t"', undefined, true, "http://tokens.test/t"],
    ['Bearer realm="token"', undefined, false, undefined],
    ['Bearer realm="ftp://tokens.test/t"', undefined, true, undefined],
    ['Basic realm="https://tokens.test/t"', undefined, false, undefined],
    [undefined, undefined, false, undefined],
    [undefined, "https://other.test", false, "other.test/token"],
    [hub, "https://other.test/", false, "other.test/token"],
    ['Bearer realm="https://git.test/jwt/auth"', "https://other.test:8443", false, "other.test:8443/jwt/auth"],
    [hub, "http://other.test/own/path", false, "http://other.test/own/path"],
  ];
  for (const [challenge, given, plain, expected] of cases) {
    const service = tokenServiceOf(challenge, given === undefined ? undefined : new URL(given), plain);
    t.equal(service && service.origin.name + service.path, expected, `${challenge} ${given}`);
  }
});
