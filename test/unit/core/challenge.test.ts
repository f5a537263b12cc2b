import fc from "fast-check";
import t from "tap";
import { formatChallenge, parseChallenges } from "../../../src/core/challenge.ts";

const realm = "https://auth.docker.io/token";

t.test("the challenges that registries send", (t) => {
  const table: [string, unknown[]][] = [
    [
      `Bearer realm="${realm}",service="registry.docker.io",scope="repository:library/app:pull,push"`,
      [
        {
          scheme: "bearer",
          parameters: { realm, service: "registry.docker.io", scope: "repository:library/app:pull,push" },
        },
      ],
    ],
    ['Basic realm="Registry Realm"', [{ scheme: "basic", parameters: { realm: "Registry Realm" } }]],
    ["BASIC Realm=plain", [{ scheme: "basic", parameters: { realm: "plain" } }]],
    ["Basic", [{ scheme: "basic", parameters: {} }]],
    [
      `Bearer realm="${realm}" , service = "x", Basic realm="y"`,
      [
        { scheme: "bearer", parameters: { realm, service: "x" } },
        { scheme: "basic", parameters: { realm: "y" } },
      ],
    ],
    [
      `Negotiate, Bearer realm="${realm}"`,
      [
        { scheme: "negotiate", parameters: {} },
        { scheme: "bearer", parameters: { realm } },
      ],
    ],
    [
      `Negotiate YII=, NTLM TlRM, Bearer realm="${realm}"`,
      [
        { scheme: "negotiate", parameters: {} },
        { scheme: "ntlm", parameters: {} },
        { scheme: "bearer", parameters: { realm } },
      ],
    ],
    ['Basic realm="a \\"b\\" \\\\c"', [{ scheme: "basic", parameters: { realm: 'a "b" \\c' } }]],
    ['Basic realm=""', [{ scheme: "basic", parameters: { realm: "" } }]],
    [', ,Basic realm="x",,', [{ scheme: "basic", parameters: { realm: "x" } }]],
  ];
  for (const [text, expected] of table) t.strictSame(parseChallenges(text), expected, text);
  t.end();
});

t.test("what fits no grammar ends the reading, and what stood before counts", (t) => {
  t.strictSame(parseChallenges(undefined), []);
  for (const text of ["", " ", ",", '"', "=", "(x)"]) t.strictSame(parseChallenges(text), [], JSON.stringify(text));
  t.strictSame(parseChallenges('Basic realm="open'), [{ scheme: "basic", parameters: {} }]);
  t.match(parseChallenges('Bearer realm="x", scope=@'), [{ scheme: "bearer", parameters: { realm: "x" } }]);
  t.end();
});

t.test("parsing never throws and ends", (t) => {
  const bit = fc.constantFrom('"', "\\", ",", "=", " ", "Bearer", "realm", '"x"', "\t");
  const text = fc.oneof(
    fc.string({ unit: "binary" }),
    fc.array(bit, { maxLength: 30 }).map((bits) => bits.join("")),
  );
  fc.assert(
    fc.property(text, (header) => Array.isArray(parseChallenges(header))),
    { numRuns: 1000 },
  );
  const started = process.hrtime.bigint();
  for (const bits of ['"\\', 'a="', "a=,", "a ", "a b="]) parseChallenges(`Bearer ${bits.repeat(20_000)}`);
  t.ok(process.hrtime.bigint() - started < 2_000_000_000n, "no grammar backtracks without end");
  t.end();
});

t.test("a challenge that was formatted is read back as it was", (t) => {
  const token = fc.stringMatching(/^[a-z][a-z0-9_-]{0,10}$/);
  const value = fc.string({ unit: fc.constantFrom(...'abc ,="\\/:?&*äé'.split("")) });
  const challenge = fc.record(
    { scheme: token, parameters: fc.dictionary(token, value, { noNullPrototype: true }) },
    { noNullPrototype: true },
  );
  fc.assert(
    fc.property(fc.array(challenge, { minLength: 1, maxLength: 3 }), (challenges) => {
      t.strictSame(parseChallenges(challenges.map(formatChallenge).join(", ")), challenges);
    }),
  );
  t.equal(
    formatChallenge({ scheme: "bearer", parameters: { realm, service: "x" } }),
    `Bearer realm="${realm}",service="x"`,
  );
  t.equal(formatChallenge({ scheme: "basic", parameters: {} }), "Basic");
  t.end();
});
