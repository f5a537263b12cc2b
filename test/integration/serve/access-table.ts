import type { Test } from "tap";
import { type FixtureRegistry, uniqueBytes } from "../../fixtures/registry.ts";
import type { ProxyClient } from "../../fixtures/proxy-client.ts";
import type { Image } from "../../fixtures/registry-content.ts";
import { startTokenServer } from "../../fixtures/token-server.ts";
import { cacheStatus, MovableClock, stage } from "../stage.ts";

/**
 * Two users of one private registry, in every order, with all else that may come: whoever is served is one whom the registry would serve,
 * and who may is served what is held.
 */
const grantTtl = 300_000;
/** Who asks; `elsewhere` is bob at a repository of his own, `old` alice with what was hers once. */
type Actor = "alice" | "bob" | "nobody" | "old" | "elsewhere";
const actors: readonly Actor[] = ["alice", "bob", "nobody", "old", "elsewhere"];
const ways = ["tag", "manifest", "blob"] as const;
type Way = (typeof ways)[number];
/** What has been before: nothing; she has pulled it; and that is longer ago than a proof holds. */
const pasts = ["cold", "warm", "lapsed"] as const;
type Past = (typeof pasts)[number];

interface Table {
  readonly registry: FixtureRegistry;
  readonly client: ProxyClient;
  readonly clock: MovableClock;
  /** The Authorization of an actor at a repository, as of now. */
  authorization(actor: Actor, repository: string): string | undefined;
}

async function tableOf(t: Test, scheme: "Basic" | "Bearer"): Promise<Table> {
  const clock = new MovableClock();
  if (scheme === "Basic") {
    const basic = (text: string): string => `Basic ${Buffer.from(text).toString("base64")}`;
    const readers: Record<string, RegExp> = { [basic("alice:new")]: /^team\//, [basic("bob:his")]: /^bob\// };
    const authorize = ({ headers, repository }: { headers: object; repository: string | undefined }) => {
      const { authorization = "" } = headers as { authorization?: string };
      return readers[authorization]?.test(repository ?? "") === true ? undefined : 'Basic realm="private"';
    };
    const { registry, client } = await stage(t, { clock, registry: { authorize } });
    const known = { alice: "alice:new", bob: "bob:his", old: "alice:old", elsewhere: "bob:his", nobody: undefined };
    return {
      registry,
      client,
      clock,
      authorization(actor) {
        const text = known[actor];
        return text === undefined ? undefined : basic(text);
      },
    };
  }
  const tokens = await startTokenServer(t, { names: ["auth.docker.io"], realmPort: 443, now: () => clock.now() });
  const { registry, client } = await stage(t, {
    clock,
    upstreams: [tokens],
    registry: { authorize: tokens.authorize },
  });
  const token = (user: string, name: string, life?: number): string =>
    `Bearer ${tokens.token(user, [{ type: "repository", name, actions: ["pull"] }], life)}`;
  const his = (repository: string): string => repository.replace(/^team/, "bob");
  const hers = new Map<string, { readonly text: string; readonly until: number }>();
  const current = (repository: string): string => {
    const known = hers.get(repository);
    if (known !== undefined && clock.now() < known.until) return known.text;
    const text = token("alice", repository);
    hers.set(repository, { text, until: clock.now() + grantTtl });
    return text;
  };
  return {
    registry,
    client,
    clock,
    authorization(actor, repository) {
      if (actor === "nobody") return undefined;
      if (actor === "alice") return current(repository);
      if (actor === "old") return token("alice", repository, -1);
      return token("bob", his(repository));
    },
  };
}

function* orders(of: readonly Actor[]): Generator<readonly Actor[]> {
  if (of.length === 0) yield [];
  for (const first of of) for (const rest of orders(of.filter((one) => one !== first))) yield [first, ...rest];
}

const pathOf = (way: Way, { digest, layers }: Image): string =>
  way === "blob" ? `blobs/${layers[0]?.digest}` : `manifests/${way === "tag" ? "1" : digest}`;

async function ask(table: Table, actor: Actor, repository: string, path: string, method: string) {
  const at = actor === "elsewhere" ? repository.replace(/^team/, "bob") : repository;
  const authorization = table.authorization(actor, repository);
  const headers = { accept: "*/*", ...(authorization !== undefined && { authorization }) };
  const { status, headers: given, body } = await table.client.request(`/v2/${at}/${path}`, { method, headers });
  return { status, cache: String(given[cacheStatus]), body };
}

/** An image of hers, and a repository of his of the same name and another content. */
function imageOf(registry: FixtureRegistry, repository: string): Image {
  registry.image({ repository: repository.replace(/^team/, "bob"), tag: "2", layers: [uniqueBytes(20)] });
  return registry.image({ repository, tag: "1", layers: [uniqueBytes(2000)] });
}

async function warm(table: Table, repository: string, image: Image): Promise<void> {
  for (const way of ways) {
    const { status } = await ask(table, "alice", repository, pathOf(way, image), "GET");
    if (status !== 200) throw new Error(`She got ${status}.`);
  }
}

async function play(t: Test, table: Table, row: { order: readonly Actor[]; past: Past; way: Way }, number: string) {
  const { registry, clock } = table;
  const { order, past, way } = row;
  const repository = `team/app-${number}`;
  const image = imageOf(registry, repository);
  const name = `${order.join(", ")} by ${way}, ${past}`;
  if (past !== "cold") await warm(table, repository, image);
  if (past === "lapsed") clock.time += grantTtl;
  const content = way === "blob" ? image.layers[0]?.read(0, 5000) : image.manifest.bytes;
  const wrong: string[] = [];
  let hers = past === "cold" ? 0 : 1;
  for (const actor of order) {
    for (const method of ["HEAD", "GET"]) {
      const { status, cache, body } = await ask(table, actor, repository, pathOf(way, image), method);
      const isHit = hers === 0 || /^(?:HIT|REVALIDATED)$/.test(cache);
      const isWhole = method === "HEAD" || content?.equals(body) === true;
      const isRefused = status === 401 || (actor === "elsewhere" && status === 404);
      const isRight =
        actor === "alice" ? status === 200 && isHit && isWhole : isRefused && !body.includes("schemaVersion");
      if (!isRight) wrong.push(`${actor} ${method}: ${status} ${cache}`);
      if (actor === "alice" && method === "GET") hers += 1;
    }
  }
  t.same(wrong, [], name);
  const reference = way === "tag" ? "1" : pathOf(way, image).replace(/^\w+\//, "");
  const fetched = registry.count({ repository, method: "GET", reference, status: 200 });
  // A tag that was pulled has brought its manifest.
  t.equal(fetched, way === "manifest" && past !== "cold" ? 0 : 1, `${name}: fetched once, by her`);
}

/** Plays all that there is with one way to say who one is. */
export function playAll(t: Test, scheme: "Basic" | "Bearer"): void {
  for (const past of pasts) {
    t.test(`${scheme}, ${past}: nobody gets what the registry would refuse, and she gets a hit`, async (t) => {
      const table = await tableOf(t, scheme);
      // Every second order here, the others with the next past, for the time it takes.
      for (const [index, order] of [...orders(actors)].entries()) {
        const turn = index + pasts.indexOf(past) + (scheme === "Basic" ? 0 : 1);
        if (turn % 2 === 0) await play(t, table, { order, past, way: ways[(turn / 2) % 3] ?? "tag" }, `${index}`);
      }
    });
  }

  t.test(`${scheme}, in an outage: she is served for the time of her grant, nobody else and no longer`, async (t) => {
    const table = await tableOf(t, scheme);
    const { registry, clock } = table;
    const images: [repository: string, image: Image][] = [];
    for (let number = 0; number < 12; number += 1) {
      const repository = `team/app-${number}`;
      const image = imageOf(registry, repository);
      await warm(table, repository, image);
      images.push([repository, image]);
    }
    registry.fault({}, { closeMidHeader: true });
    const cases = [...orders(actors)].filter((_, index) => index % 10 === 0);
    for (const lapsed of [false, true]) {
      if (lapsed) clock.time += grantTtl;
      for (const [index, [repository, image]] of images.entries()) {
        for (const way of ways) {
          for (const actor of cases[index] ?? actors) {
            const path = pathOf(way, image);
            const answers = [
              await ask(table, actor, repository, path, "HEAD"),
              await ask(table, actor, repository, path, "GET"),
            ].map(({ status, cache }) => (status === 200 ? cache : status >= 400));
            const due = actor === "alice" && !lapsed ? (way === "tag" ? "STALE" : "HIT") : true;
            t.same(answers, [due, due], `${actor} by ${way}${lapsed ? ", lapsed" : ""}`);
          }
        }
      }
    }
  });
}
