import { inspect } from "node:util";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import t from "tap";
import { makeOrigin } from "../../../src/core/origin.ts";
import { createAnonymousTokens, isAnonymousAsk, sniffAnswer } from "../../../src/auth/anonymous.ts";

const registry = makeOrigin("https", "reg.test");
const service = makeOrigin("https", "auth.test");
const start = 1_700_000_000_000;

function open(max?: number) {
  const clock = { time: start, now: () => clock.time };
  const made = createAnonymousTokens(clock, max);
  made.trust(registry, service);
  const note = (answer: string): void => made.note(answer, service);
  const until = (authorization: string): number | undefined => made.until(authorization, registry);
  return { clock, made, tokens: { note, until } };
}

t.test("which asks are anonymous", async (t) => {
  const cases: [method: string, target: string, identified: boolean, expected: boolean][] = [
    ["GET", "/token?service=registry.docker.io&scope=repository:library/app:pull", false, true],
    ["GET", "/token?scope=a&scope=b&client_id=containerd&offline_token=true", false, true],
    ["GET", "/token", false, true],
    ["GET", "/token?service=x", true, false],
    ["GET", "/token?account=alice&service=x", false, false],
    ["GET", "/token?refresh_token=x", false, false],
    ["GET", "/token?username=a&password=b", false, false],
    ["GET", "/token?api_key=a", false, false],
    ["GET", "/token?%61ccount=alice", false, false],
    ["POST", "/token?service=x", false, false],
    ["HEAD", "/token", false, false],
  ];
  for (const [method, target, identified, expected] of cases) {
    t.equal(isAnonymousAsk({ method, target, identified }), expected, `${method} ${target} ${identified}`);
  }
});

t.test("a token is known until it expires", async (t) => {
  const { tokens, clock } = open();
  tokens.note(JSON.stringify({ token: "opaque.one", access_token: "another", expires_in: 300 }));
  for (const authorization of ["Bearer opaque.one", "bearer  opaque.one", "Bearer another"]) {
    t.equal(tokens.until(authorization), start + 300_000, authorization);
  }
  for (const other of ["Bearer opaque.on", "Basic opaque.one", "opaque.one", "Bearer opaque.one x", "Bearer ", ""]) {
    t.equal(tokens.until(other), undefined, other);
  }
  clock.time += 299_999;
  t.ok(tokens.until("Bearer another"));
  clock.time += 1;
  t.equal(tokens.until("Bearer another"), undefined);
});

t.test("a service's word counts at the registries that name it", async (t) => {
  const { made } = open();
  const other = makeOrigin("https", "other.test");
  const evil = makeOrigin("https", "evil.test");
  made.note('{"token":"stolen"}', evil);
  t.equal(made.until("Bearer stolen", registry), undefined);
  made.note('{"token":"x"}', service);
  t.ok(made.until("Bearer x", registry));
  t.equal(made.until("Bearer x", other), undefined);
  made.trust(other, service);
  t.ok(made.until("Bearer x", other));
});

t.test("how long it lives", async (t) => {
  const jwt = (exp: number): string => `e30.${Buffer.from(JSON.stringify({ exp })).toString("base64url")}.x`;
  const { tokens } = open();
  const short = jwt(start / 1000 + 10);
  const long = jwt(start / 1000 + 1e6);
  const cases: [answer: object, token: string, expected: number][] = [
    [{ token: "a" }, "a", start + 60_000],
    [{ token: "b", expires_in: "120" }, "b", start + 120_000],
    [{ token: "c", expires_in: -1 }, "c", start + 60_000],
    [{ token: "d", expires_in: 1e12 }, "d", start + 86_400_000],
    [{ token: short, expires_in: 300 }, short, start + 10_000],
    [{ token: long, expires_in: 300 }, long, start + 300_000],
  ];
  for (const [answer, token, expected] of cases) {
    tokens.note(JSON.stringify(answer));
    t.equal(tokens.until(`Bearer ${token}`), expected, JSON.stringify(answer));
  }
});

t.test("what is no token is of no account", async (t) => {
  const { tokens } = open();
  for (const answer of ["", "null", "[]", "7", "{", '{"token":7}', '{"details":"no"}', '"token"']) {
    t.doesNotThrow(() => tokens.note(answer), answer);
  }
  t.equal(tokens.until("Bearer 7"), undefined);
});

t.test("it holds no token, and not without end", async (t) => {
  const { tokens, made } = open(2);
  for (const token of ["secret-one", "secret-two", "secret-three"]) tokens.note(JSON.stringify({ token }));
  t.equal(tokens.until("Bearer secret-one"), undefined);
  t.ok(tokens.until("Bearer secret-three"));
  t.notMatch(inspect(made, { depth: 10, showHidden: true }), /secret/);
});

async function through(pieces: readonly Buffer[]): Promise<{ passed: Buffer; seen: string[] }> {
  const seen: string[] = [];
  const sniff = sniffAnswer((answer) => seen.push(answer));
  const passed = sniff.toArray();
  for (const piece of pieces) sniff.write(piece);
  sniff.end();
  return { passed: Buffer.concat(await passed), seen };
}

t.test("an answer passes unchanged, and is seen whole before its end is", async (t) => {
  const text = JSON.stringify({ token: "ü".repeat(1000) });
  const bytes = Buffer.from(text);
  const { passed, seen } = await through([bytes.subarray(0, 700), bytes.subarray(700)]);
  t.ok(passed.equals(bytes));
  t.same(seen, [text]);
  const property = fc.asyncProperty(fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 10 }), async (parts) => {
    const pieces = parts.map((part) => Buffer.from(part));
    const whole = Buffer.concat(pieces);
    const result = await through(pieces);
    return result.passed.equals(whole) && result.seen.at(-1) === whole.toString("utf8");
  });
  await t.resolves(fc.assert(property));
});

t.test("a token is known before the client has it", async (t) => {
  const seen: string[] = [];
  const sniff = sniffAnswer((answer) => seen.push(answer));
  sniff.on("data", () => t.same(seen, ['{"token":"x"}\n'], "though the answer has not ended"));
  sniff.write(Buffer.from('{"token":"x"}\n'));
  await new Promise((resolve) => setImmediate(resolve));
  sniff.end();
  await new Promise((resolve) => sniff.once("end", resolve));
  t.equal(seen.length, 1);
});

t.test("an answer is not held back until it is whole", async (t) => {
  const sniff = sniffAnswer(() => undefined);
  sniff.write(Buffer.from("first"));
  t.equal(String(sniff.read()), "first");
});

t.test("a long one is passed on unread, an encoded one is none", async (t) => {
  const long = Buffer.alloc(70_000, "long");
  const { passed, seen } = await through([long.subarray(0, 60_000), long.subarray(60_000)]);
  t.ok(passed.equals(long));
  t.same(seen, []);
  const { tokens } = open();
  tokens.note(gzipSync('{"token":"x"}').toString());
  t.equal(tokens.until("Bearer x"), undefined);
});
