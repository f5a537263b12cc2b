import t from "tap";
import type { CacheRecord } from "../../../src/cache/types.ts";
import { digestOf } from "../../../src/core/digest.ts";
import { makeOrigin } from "../../../src/core/origin.ts";
import { decide } from "../../../src/policy/decide.ts";
import { contentKey } from "../../../src/serve/content.ts";
import { createHotLook, type HotAnswer, type HotAsk } from "../../../src/serve/hot.ts";
import { tagKey } from "../../../src/serve/tag-records.ts";

const origin = makeOrigin("https", "registry.test");
const bytes = Buffer.from("{}");
const digest = digestOf(bytes);
const byDigest = `/v2/app/manifests/${digest}`;
const stated: CacheRecord = { digest, mediaType: "a/b", size: 2, checked: 0 };

function memory(allowPush = false, admitted: (ask: HotAsk) => boolean = () => true) {
  const kept = new Map<string, CacheRecord>([[contentKey(origin, "manifest", digest), stated]]);
  const content = new Map([[digest, bytes]]);
  let now = 1000;
  const tiers = {
    enabled: true,
    primary: { pattern: /^never$/, ttl: 0 },
    secondary: { pattern: /^never$/, ttl: 0 },
    defaultTtl: 5000,
  };
  /** What the disk has, and what was read of it. */
  const disk = { records: new Map<string, CacheRecord>(), content: new Map([[digest, bytes]]), allowed: false };
  const read: string[] = [];
  let isAllowed = false;
  const look = createHotLook({
    decide: (method, request) => decide({ allowPush, tiers }, method, request),
    records: {
      hot: (key) => kept.get(key),
      get: async (key) => {
        const found = kept.get(key) ?? disk.records.get(key);
        if (found !== undefined) kept.set(key, found);
        return found;
      },
    },
    store: {
      hot: (wanted) => content.get(wanted),
      warm: async (wanted, size) => {
        read.push(`${wanted} ${size}`);
        const found = disk.content.get(wanted);
        if (found !== undefined) content.set(wanted, found);
      },
    },
    isFresh: (known, ttl) => known !== undefined && now - known.checked < ttl,
    admits: (asked) => isAllowed || admitted(asked),
    lookUp: async () => {
      read.push("right");
      isAllowed = disk.allowed;
    },
  });
  const later = (target: string, more: Partial<HotAsk> = {}): ReturnType<typeof look> =>
    look({ origin, method: "GET", target, headers: {}, ...more });
  const ask = (target: string, more: Partial<HotAsk> = {}): HotAnswer | undefined => {
    const answer = later(target, more);
    return answer instanceof Promise ? undefined : answer;
  };
  return { kept, content, disk, read, ask, later, pass: (ms: number) => (now += ms) };
}

t.test("content by digest, as long as its registry has stated it and it is in memory", (t) => {
  const { kept, content, ask } = memory();
  for (let round = 0; round < 2; round += 1) {
    const answer = ask(byDigest);
    t.equal(answer?.body, bytes);
    t.match(answer?.head, /^HTTP\/1\.1 200 OK\r\ncontent-type: a\/b\r\n[^]*content-length: 2\r\n$/);
    t.strictSame(answer?.facts, {
      kind: "manifest",
      repository: "app",
      reference: digest,
      cache: "HIT",
      tier: "manifest-by-digest",
    });
  }
  t.match(ask(byDigest, { method: "HEAD" }), { body: undefined, head: /content-length: 2\r\n$/ });
  t.equal(ask(byDigest, { origin: makeOrigin("https", "other.test") }), undefined, "another origin");
  t.equal(ask(byDigest.replace("manifests", "blobs")), undefined, "as a blob");
  for (const name of ["range", "if-none-match", "if-range"]) {
    t.equal(ask(byDigest, { headers: { [name]: "x" } }), undefined, name);
  }
  kept.set(contentKey(origin, "manifest", digest), { ...stated, mediaType: "c/d" });
  t.match(ask(byDigest)?.head, /content-type: c\/d\r\n/, "another media type");
  kept.set(contentKey(origin, "manifest", digest), { ...stated, mediaType: "c/d\r\nx: y" });
  t.equal(ask(byDigest), undefined, "a media type that is more than one");
  kept.set(contentKey(origin, "manifest", digest), stated);
  content.delete(digest);
  t.equal(ask(byDigest), undefined, "evicted");
  content.set(digest, bytes);
  t.ok(ask(byDigest));
  kept.clear();
  t.equal(ask(byDigest), undefined, "forgotten");
  t.end();
});

t.test("what is no pull, or would be refused, is the handler's", (t) => {
  const { ask } = memory();
  for (const target of [
    "/v2/",
    "/v2/app/tags/list",
    "/v2/A/manifests/1",
    `/v2/app/blobs/${digest}x`,
    `${byDigest}?x`,
    byDigest.replace("app", "%61pp"),
    "/x",
  ]) {
    t.equal(ask(target), undefined, target);
  }
  const pushes = memory(true);
  const blob = `/v2/app/blobs/${digest}`;
  pushes.kept.set(contentKey(origin, "blob", digest), stated);
  t.ok(pushes.ask(blob));
  t.equal(pushes.ask(blob, { method: "HEAD" }), undefined, "the registry's word, where pushes are allowed");
  t.end();
});

t.test("a tag while it is fresh, by Accept", (t) => {
  const { kept, ask, pass } = memory();
  const tag = "/v2/app/manifests/1";
  t.equal(ask(tag), undefined);
  kept.set(tagKey({ origin, repository: "app", tag: "1" }), {
    ...stated,
    variants: { "*/*": { ...stated, checked: 1000 }, "x/y": { ...stated, mediaType: "x/y", checked: 3000 } },
  });
  t.match(ask(tag), { facts: { reference: "1", tier: "manifest-default" } });
  t.match(ask(tag, { headers: { accept: "X/Y" } })?.head, /content-type: x\/y/);
  t.match(ask(tag)?.head, /content-type: a\/b/);
  t.equal(ask(tag, { headers: { accept: "z/z" } }), undefined);
  pass(6000);
  t.equal(ask(tag), undefined, "expired");
  t.ok(ask(tag, { headers: { accept: "x/y" } }));
  kept.delete(contentKey(origin, "manifest", digest));
  t.equal(ask(tag, { headers: { accept: "x/y" } }), undefined, "its registry has not stated the digest");
  t.end();
});

t.test("to whom its registry is known to serve it, and to nobody else", (t) => {
  const { ask } = memory(false, ({ headers }) => headers["authorization"] === "Bearer alice");
  t.equal(ask(byDigest), undefined, "the handler has to ask");
  t.equal(ask(byDigest, { headers: { authorization: "Bearer alice" } })?.body, bytes);
  t.equal(ask(byDigest, { headers: { authorization: "Bearer bob" } }), undefined, "though it was served a moment ago");
  t.end();
});

t.test("what is small and on the disk is brought into memory first, with the right to read it", async (t) => {
  const { kept, content, disk, read, ask, later } = memory(false, () => false);
  const key = contentKey(origin, "manifest", digest);
  kept.clear();
  content.clear();
  t.equal(await later(byDigest), undefined, "not even a record");
  disk.records.set(key, stated);
  t.equal(await later(byDigest), undefined);
  t.same(read, ["right"], "nothing is read for whom it is not");
  disk.allowed = true;
  t.match(await later(byDigest), { body: bytes, facts: { cache: "HIT" } });
  t.same(read, ["right", "right", `${digest} 2`]);
  t.equal(ask(byDigest)?.body, bytes, "then it is in memory");
  t.equal(read.length, 3);
});

t.test("what is large, gone, asked for by tag or by HEAD is the handler's", async (t) => {
  const { kept, content, disk, read, later } = memory();
  content.clear();
  disk.content.clear();
  t.equal(await later(byDigest), undefined, "gone");
  t.same(read, [`${digest} 2`]);
  t.equal(later(byDigest, { method: "HEAD" }), undefined);
  t.equal(later("/v2/app/manifests/1"), undefined);
  t.equal(later(byDigest, { headers: { range: "bytes=0-0" } }), undefined);
  kept.set(contentKey(origin, "manifest", digest), { ...stated, size: 64 * 1024 + 1 });
  t.equal(later(byDigest), undefined, "large, and that is known");
  t.equal(read.length, 1);
});
