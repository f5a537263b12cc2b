import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mock } from "node:test";
import t, { type Test } from "tap";
import { contentPath } from "../../../src/cache/layout.ts";
import { parseDigest } from "../../../src/core/digest.ts";
import { gate } from "../../fixtures/gate.ts";
import { inOneProcess, type RunningProxy, startProxy } from "../../fixtures/proxy.ts";
import { type FixtureRegistry, startRegistry, uniqueBytes } from "../../fixtures/registry.ts";
import { type Content, syntheticBlob } from "../../fixtures/synthetic-blob.ts";
import { clientOf, hub, MovableClock, until } from "../stage.ts";

const path = (blob: Content): string => `/v2/library/app/blobs/${blob.digest}`;

class Shelf {
  readonly registry: FixtureRegistry;
  readonly clock: MovableClock;
  proxy: RunningProxy;
  readonly #t: Test;
  readonly #env: Record<string, string>;

  private constructor(
    t: Test,
    registry: FixtureRegistry,
    clock: MovableClock,
    proxy: RunningProxy,
    env: Record<string, string>,
  ) {
    this.#t = t;
    this.registry = registry;
    this.clock = clock;
    this.proxy = proxy;
    this.#env = env;
  }

  static async open(t: Test, env: Record<string, string>): Promise<Shelf> {
    const registry = await startRegistry(t, { names: [hub] });
    const clock = new MovableClock();
    return new Shelf(t, registry, clock, await startProxy(t, { upstreams: [registry], clock, env }), env);
  }

  async restart(): Promise<void> {
    const { directory } = this.proxy;
    await this.proxy.stop();
    const options = { upstreams: [this.registry], clock: this.clock, env: this.#env, directory };
    this.proxy = await startProxy(this.#t, options);
  }

  blob(size: number): Content {
    return this.registry.blob("library/app", uniqueBytes(size));
  }

  /** Pulls one, a quarter of an hour after what came before, and tells how it was served. */
  async pull(blob: Content): Promise<string> {
    this.clock.time += 900_000;
    const client = this.proxy.client(hub);
    const { status, digest, cache } = await client.hash(path(blob));
    client.close();
    if (status !== 200 || digest !== blob.digest) throw new Error(`The pull went wrong: ${status} ${digest}`);
    return cache;
  }

  holds(blob: Content): boolean {
    const digest = parseDigest(blob.digest);
    return digest !== undefined && existsSync(contentPath(`${this.proxy.directory}/cache`, digest));
  }
}

t.test("over CACHE_MAX_SIZE the least recently used goes, across a restart too", async (t) => {
  const shelf = await Shelf.open(t, { CACHE_MAX_SIZE: "1m" });
  const [a, b, c, d, e] = [1, 2, 3, 4, 5].map(() => shelf.blob(300_000)) as [
    Content,
    Content,
    Content,
    Content,
    Content,
  ];
  for (const blob of [a, b, c]) t.equal(await shelf.pull(blob), "MISS");
  t.equal(await shelf.pull(a), "HIT");
  await shelf.pull(d);
  await until(() => !shelf.holds(b));
  t.same(
    [a, b, c, d].map((blob) => shelf.holds(blob)),
    [true, false, true, true],
    "b was used longest ago",
  );
  t.equal(await shelf.pull(c), "HIT");

  await shelf.restart();
  t.equal(await shelf.pull(d), "HIT", "a restart loses nothing");
  await shelf.pull(e);
  await until(() => !shelf.holds(a));
  t.same(
    [a, c, d, e].map((blob) => shelf.holds(blob)),
    [false, true, true, true],
    "nor who was used last",
  );
  t.equal(await shelf.pull(a), "MISS", "what went is fetched again");
});

t.test("one that is larger than the whole cache is served and not kept", async (t) => {
  const shelf = await Shelf.open(t, { CACHE_MAX_SIZE: "1m" });
  const [small, large] = [shelf.blob(300_000), shelf.blob(3_000_000)];
  await shelf.pull(small);
  t.equal(await shelf.pull(large), "MISS");
  await until(() => !shelf.holds(large));
  t.ok(shelf.holds(small), "and drives nothing out");
});

t.test("a blob that goes while somebody reads it is read to its end", async (t) => {
  const shelf = await Shelf.open(t, { CACHE_MAX_SIZE: "20m" });
  const read = shelf.registry.blob("library/app", syntheticBlob("read while evicted", 16_000_000));
  await shelf.pull(read);
  const response = await clientOf(t, shelf.proxy).open(path(read));
  // Nothing is read yet: what does not fit between us stays in the file.
  await shelf.pull(shelf.blob(9_000_000));
  await until(() => !shelf.holds(read));
  const hash = createHash("sha256");
  for await (const piece of response as AsyncIterable<Buffer>) hash.update(piece);
  t.equal(`sha256:${hash.digest("hex")}`, read.digest);
  t.equal(await shelf.pull(read), "MISS", "it was gone");
});

t.test("a blob that is being fetched is not driven out by what is fetched beside it", async (t) => {
  const shelf = await Shelf.open(t, { CACHE_MAX_SIZE: "1m" });
  const slow = shelf.blob(600_000);
  const rest = gate();
  shelf.registry.fault({ reference: slow.digest }, { stall: { after: 300_000, until: rest } });
  const pulled = shelf.pull(slow);
  await shelf.registry.seen({ reference: slow.digest });
  for (let count = 0; count < 4; count += 1) await shelf.pull(shelf.blob(400_000));
  rest.open();
  t.equal(await pulled, "MISS");
  t.equal(await shelf.pull(slow), "HIT");
});

const reachable = inOneProcess ? false : "the timers of other processes are out of reach";

t.test(
  "what nobody used for CACHE_INACTIVE goes, in a running process and at a start",
  { skip: reachable },
  async (t) => {
    // The sweep comes every ten minutes of the machine's own time.
    mock.timers.enable({ apis: ["setInterval"] });
    t.teardown(() => mock.timers.reset());
    const shelf = await Shelf.open(t, { CACHE_INACTIVE: "10d" });
    const [used, unused] = [shelf.blob(200_000), shelf.blob(200_000)];
    for (const blob of [used, unused]) await shelf.pull(blob);
    shelf.clock.time += 6 * 86_400_000;
    await shelf.pull(used);
    shelf.clock.time += 6 * 86_400_000;
    mock.timers.tick(600_000);
    await until(() => !shelf.holds(unused));
    t.equal(await shelf.pull(used), "HIT", "six days ago it was used");
    t.equal(await shelf.pull(unused), "MISS");

    shelf.clock.time += 9 * 86_400_000;
    await shelf.pull(used);
    shelf.clock.time += 2 * 86_400_000;
    await shelf.restart();
    await until(() => !shelf.holds(unused));
    t.equal(await shelf.pull(used), "HIT");
  },
);
