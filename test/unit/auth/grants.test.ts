import { inspect } from "node:util";
import t, { type Test } from "tap";
import { createAccessRecords, createCredentialHash, expiryOf, type Place } from "../../../src/auth/grants.ts";
import { openRecords } from "../../../src/cache/records.ts";
import { digestOf } from "../../../src/core/digest.ts";
import { makeOrigin } from "../../../src/core/origin.ts";
import { recordingLog } from "../cache/log.ts";

const publicTtl = 86_400_000;
const grantTtl = 300_000;
const digest = digestOf(Buffer.from("one"));
const other = digestOf(Buffer.from("two"));
const place: Place = { origin: makeOrigin("https", "reg.test"), repository: "team/app" };
const elsewhere: Place[] = [
  { ...place, repository: "team/ap" },
  { ...place, origin: makeOrigin("https", "reg.test", 5000) },
  { ...place, origin: makeOrigin("http", "reg.test") },
];

function open(t: Test, directory = t.testdir(), max?: number) {
  const clock = { time: 1_700_000_000_000, now: () => clock.time };
  const kept = openRecords({ directory, clock, log: recordingLog().log });
  const hash = createCredentialHash();
  const records = createAccessRecords({ clock, kept, publicTtl, grantTtl, ...(max !== undefined && { max }) });
  return { clock, kept, hash, records, directory };
}

t.test("a public repository is public until its time, and known after it", async (t) => {
  const { records, clock } = open(t);
  t.equal(await records.publicUntil(place), undefined);
  await records.notePublic(place, digest);
  t.equal(await records.publicUntil(place), clock.time + publicTtl);
  for (const one of elsewhere) t.equal(await records.publicUntil(one), undefined, "only there");
  t.equal(await records.sharedUntil(place), undefined);
  const until = clock.time + publicTtl;
  clock.time += 10 * publicTtl;
  t.equal(await records.publicUntil(place), until);
});

t.test("what a credential of ours read is not public", async (t) => {
  const { records, clock } = open(t);
  await records.noteShared(place);
  t.equal(await records.sharedUntil(place), clock.time + publicTtl);
  t.equal(await records.publicUntil(place), undefined);
  for (const one of elsewhere) t.equal(await records.sharedUntil(one), undefined, "only there");
});

t.test("a grant is one credential's, for one repository, for its time", async (t) => {
  const { records, clock, hash } = open(t);
  const alice = hash("Basic YWxpY2U6cGFzcw==");
  await records.noteGrant(alice, place);
  t.equal(await records.grantUntil(alice, place), clock.time + grantTtl);
  t.equal(await records.grantUntil(hash("Basic Ym9iOnBhc3M="), place), undefined);
  for (const one of elsewhere) t.equal(await records.grantUntil(alice, one), undefined, "only there");
  await records.dropGrant(alice, place);
  t.equal(await records.grantUntil(alice, place), undefined);
});

t.test("no grant outlives its credential", async (t) => {
  const { records, clock, hash } = open(t);
  await records.noteGrant(hash("Bearer a"), place, clock.time + 1000);
  t.equal(await records.grantUntil(hash("Bearer a"), place), clock.time + 1000);
  await records.noteGrant(hash("Bearer b"), place, clock.time + 10 * grantTtl);
  t.equal(await records.grantUntil(hash("Bearer b"), place), clock.time + grantTtl);
});

t.test("a clock that is set back lengthens nothing", async (t) => {
  const { records, clock, hash } = open(t);
  await records.notePublic(place, digest);
  await records.noteShared(place);
  await records.noteGrant(hash("Bearer a"), place);
  clock.time -= 3_600_000;
  t.equal(await records.publicUntil(place), clock.time);
  t.equal(await records.sharedUntil(place), clock.time);
  t.equal(await records.grantUntil(hash("Bearer a"), place), undefined);
});

t.test("a digest belongs where it was confirmed", async (t) => {
  const { records } = open(t);
  await records.noteMember(place, digest);
  t.ok(await records.isMember(place, digest));
  t.notOk(await records.isMember(place, other));
  for (const one of elsewhere) t.notOk(await records.isMember(one, digest), "only there");
  await records.dropMember(place, digest);
  t.notOk(await records.isMember(place, digest));
});

t.test("a reference counts where the registry shows the same bytes to everybody", async (t) => {
  const { records, clock } = open(t);
  const [elsewhere] = [{ ...place, repository: "library/base" }];
  await records.noteReferenced(place, [digest, other]);
  t.notOk(await records.isMember(place, digest), "alone it proves nothing");
  await records.noteMember(elsewhere, digest);
  t.notOk(await records.isMember(place, digest), "nor with a repository that is not public");
  await records.notePublic(elsewhere, undefined);
  await records.noteMember(elsewhere, digest);
  t.ok(await records.isMember(place, digest));
  t.notOk(await records.isMember(place, other));
  t.notOk(await records.isMember({ ...place, repository: "team/third" }, digest), "and only where it is referred to");
  const foreign = { ...place, origin: makeOrigin("https", "other.test") };
  await records.noteReferenced(foreign, [digest]);
  t.notOk(await records.isMember(foreign, digest), "another registry speaks for itself");
  clock.time += publicTtl;
  t.notOk(await records.isMember(place, digest), "for as long as a repository counts as public");
});

t.test("what is public, and what belongs where, survives a restart; grants and what is shared do not", async (t) => {
  const before = open(t);
  const credential = before.hash("Bearer a");
  await before.records.notePublic(place, digest);
  await before.records.noteShared(place);
  await before.records.noteMember(place, digest);
  await before.records.noteGrant(credential, place);
  const { records, clock } = open(t, before.directory);
  t.equal(await records.publicUntil(place), clock.time + publicTtl);
  t.ok(await records.isMember(place, digest));
  t.equal(await records.grantUntil(credential, place), undefined);
  t.equal(await records.sharedUntil(place), undefined);
});

t.test("a disk that fails is no reason to forget, nor to reject", async (t) => {
  const broken = { hot: () => undefined, get: async () => fail(), put: async () => fail(), delete: async () => fail() };
  const fail = (): never => {
    throw new Error("no disk");
  };
  const clock = { now: () => 1000 };
  const records = createAccessRecords({ clock, kept: broken, publicTtl, grantTtl });
  await records.notePublic(place, digest);
  await records.noteMember(place, digest);
  await records.dropMember(place, digest);
  t.equal(await records.publicUntil(place), 1000 + publicTtl);
  t.notOk(await records.isMember(place, digest));
});

t.test("what is remembered is bounded", async (t) => {
  const { records, hash } = open(t, t.testdir(), 2);
  for (const name of ["a", "b", "c"]) await records.noteGrant(hash(`Bearer ${name}`), place);
  t.equal(await records.grantUntil(hash("Bearer a"), place), undefined);
  t.ok(await records.grantUntil(hash("Bearer c"), place));
});

t.test("a credential's key tells nothing of it", async (t) => {
  const secret = "Basic YWxpY2U6cGFzcw==";
  const [one, same] = [createCredentialHash(Buffer.alloc(32, 1)), createCredentialHash(Buffer.alloc(32, 1))];
  t.equal(one(secret), same(secret));
  t.not(one(secret), one(`${secret} `));
  t.not(one(secret), createCredentialHash()(secret), "another instance has another key");
  t.notMatch(one(secret), /YWxpY2U6cGFzcw|alice/);
  const { records, hash } = open(t);
  await records.noteGrant(hash(secret), place);
  t.notMatch(inspect(records, { depth: 10, showHidden: true }), /YWxpY2U6cGFzcw/);
});

t.test("when a token expires by its own word", async (t) => {
  const jwt = (claims: unknown): string =>
    `e30.${Buffer.from(typeof claims === "string" ? claims : JSON.stringify(claims)).toString("base64url")}.sig`;
  const cases: [authorization: string, expected: number | undefined][] = [
    [`Bearer ${jwt({ exp: 1_700_000_000 })}`, 1_700_000_000_000],
    [`bearer  ${jwt({ exp: 12.5 })}`, 12_500],
    [`Bearer ${jwt({ sub: "x" })}`, undefined],
    [`Bearer ${jwt({ exp: "soon" })}`, undefined],
    [`Bearer ${jwt("not json")}`, undefined],
    [`Bearer ${jwt("null")}`, undefined],
    ["Bearer opaque", undefined],
    ["Bearer a.b", undefined],
    [`Basic ${jwt({ exp: 1 })}`, undefined],
    ["", undefined],
  ];
  for (const [authorization, expected] of cases) t.equal(expiryOf(authorization), expected, authorization);
});

t.test("what memory knows at once is what is looked up", async (t) => {
  const { records, hash, clock } = open(t);
  const alice = hash("Bearer alice");
  const nothing = { publicUntil: undefined, sharedUntil: undefined, grantUntil: undefined, member: false };
  t.same(records.now(place, alice, digest), nothing);
  t.ok(records.now(place, alice, undefined).member, "a tag was confirmed when it was resolved");
  await Promise.all([records.notePublic(place, digest), records.noteShared(place), records.noteGrant(alice, place)]);
  await records.noteMember(place, digest);
  t.same(records.now(place, alice, digest), {
    publicUntil: await records.publicUntil(place),
    sharedUntil: await records.sharedUntil(place),
    grantUntil: await records.grantUntil(alice, place),
    member: await records.isMember(place, digest),
  });
  t.equal(records.now(place, hash("Bearer bob"), digest).grantUntil, undefined);
  t.notOk(records.now(place, alice, digestOf(Buffer.from("two"))).member, "another digest of the same place");
  clock.time += 2 * publicTtl;
  t.ok((records.now(place, alice, digest).publicUntil ?? 0) < clock.now(), "an end that is past is told as it is");
});
