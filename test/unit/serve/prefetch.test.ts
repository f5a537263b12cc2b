import t from "tap";
import { digestOf } from "../../../src/core/digest.ts";
import { makeOrigin } from "../../../src/core/origin.ts";
import { type Next, nextContent } from "../../../src/serve/next-content.ts";
import { Prefetcher } from "../../../src/serve/prefetch.ts";
import { exchangeOf } from "./registry-model.ts";

const digests = Array.from({ length: 40 }, (_, index) => digestOf(Buffer.from(`${index}`)));
const json = (value: unknown): Buffer => Buffer.from(JSON.stringify(value));
/** An image of a config and so many layers. */
const image = (layers: number, from = 0): Buffer =>
  json({
    config: { digest: digests[from] },
    layers: digests.slice(from + 1, from + 1 + layers).map((digest) => ({ digest })),
  });

t.test("of an index the platforms that are wanted, of a manifest its config and layers", async (t) => {
  const [amd, arm6, arm7, unknown, local, foreign] = digests;
  const index = json({
    manifests: [
      { digest: amd, platform: { os: "linux", architecture: "amd64" } },
      { digest: arm6, platform: { os: "linux", architecture: "arm", variant: "v6" } },
      { digest: arm7, platform: { os: "linux", architecture: "arm", variant: "v7" } },
      { digest: unknown },
    ],
  });
  const of = (next: Next[]): unknown[] => next.map(({ kind, digest }) => [kind, digest]);
  t.same(of(nextContent(index, ["linux/amd64"])), [["manifest", amd]]);
  t.same(of(nextContent(index, ["linux/arm/v7"])), [["manifest", arm7]]);
  t.same(of(nextContent(index, ["linux/arm"])), [
    ["manifest", arm6],
    ["manifest", arm7],
  ]);
  t.equal(nextContent(index, "all").length, 4);
  const layers = [{ digest: local }, { digest: foreign, urls: ["https://elsewhere.test/"] }, { digest: "nonsense" }];
  t.same(of(nextContent(json({ config: { digest: amd }, layers }), ["linux/amd64"])), [
    ["blob", amd],
    ["blob", local],
  ]);
  t.same(nextContent(Buffer.from("<html>"), "all"), []);
});

function prefetcher() {
  const origin = makeOrigin("https", "reg.test");
  const asked: { readonly digest: string; readonly done: () => void; readonly fail: () => void }[] = [];
  const state = { now: 1_000_000, others: 0, running: 0, most: 0, look: (): void => undefined };
  const ahead = new Prefetcher({
    platforms: "all",
    fetch: (_exchange, _origin, { digest }) => {
      state.running += 1;
      state.most = Math.max(state.most, state.running);
      return new Promise<void>((resolve, reject) => {
        const ended = (): void => {
          state.running -= 1;
        };
        asked.push({
          digest,
          done: () => {
            ended();
            resolve();
          },
          fail: () => {
            ended();
            reject(new Error("refused"));
          },
        });
      });
    },
    active: () => state.others + state.running,
    clock: { now: () => state.now },
    after: (_milliseconds, then) => {
      state.look = then;
    },
  });
  const fetched = (manifest: Buffer, authorization?: string): void =>
    ahead.fetched(exchangeOf("/v2/app/manifests/latest", authorization), origin, "app", manifest);
  const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  return { asked, state, fetched, settle };
}

t.test("two at a time, in the order of a client", async (t) => {
  const { asked, state, fetched, settle } = prefetcher();
  fetched(image(5));
  for (let index = 0; index < asked.length; index += 1) {
    asked[index]?.done();
    await settle();
  }
  t.same(
    asked.map(({ digest }) => digest),
    digests.slice(0, 6),
  );
  t.equal(state.most, 2);
});

t.test("only so many images wait", async (t) => {
  const { asked, fetched, settle } = prefetcher();
  for (let index = 0; index < 20; index += 1) fetched(image(1));
  for (let index = 0; index < asked.length; index += 1) {
    asked[index]?.done();
    await settle();
  }
  t.equal(asked.length, 16, "eight images of two blobs");
});

t.test("clients go first", async (t) => {
  const { asked, state, fetched, settle } = prefetcher();
  state.others = 5;
  fetched(image(1));
  t.equal(asked.length, 0);
  state.look();
  t.equal(asked.length, 0);
  state.others = 4;
  state.look();
  await settle();
  t.equal(asked.length, 2);
});

t.test(
  "a credential is used for as long as it says that it is good, and for five minutes where it does not",
  async (t) => {
    const payload = Buffer.from(JSON.stringify({ exp: 1060 })).toString("base64url");
    for (const [authorization, good] of [
      [`Bearer e30.${payload}.sig`, 60_000],
      ["Bearer opaque", 300_000],
    ] as const) {
      for (const [passed, more] of [
        [good - 1, 1],
        [good, 0],
      ] as const) {
        const { asked, state, fetched, settle } = prefetcher();
        fetched(image(2), authorization);
        t.equal(asked.length, 2);
        state.now += passed;
        asked[0]?.done();
        await settle();
        t.equal(asked.length, 2 + more, `${authorization.slice(0, 10)} after ${passed} ms`);
      }
    }
  },
);

t.test("what fails ends its image, and no other", async (t) => {
  const { asked, fetched, settle } = prefetcher();
  fetched(image(8));
  fetched(image(1, 20));
  asked[0]?.fail();
  asked[1]?.done();
  await settle();
  t.same(
    asked.slice(2).map(({ digest }) => digest),
    [digests[20], digests[21]],
  );
});
