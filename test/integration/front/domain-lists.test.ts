import t from "tap";
import type { FrontClient } from "../../fixtures/front-client.ts";
import type { FixtureRegistry } from "../../fixtures/registry.ts";
import { ociError } from "../stage.ts";
import { domainStage, prefix, saidBy } from "./domain-stage.ts";

function fill(registry: FixtureRegistry, repositories: readonly string[]): void {
  for (const repository of repositories) registry.image({ repository, tag: "1", layers: [Buffer.from(repository)] });
}

/** Every page from a path on, as a client follows Link; with what each said of others. */
async function pages(client: FrontClient, start: string): Promise<unknown[]> {
  const all: unknown[] = [];
  for (let next: string | undefined = start; next !== undefined;) {
    const answer = await client.request(next, { headers: { "accept-encoding": "gzip" } });
    if (/team|other|zebra/.test(saidBy(answer))) throw new Error(`it shows what it hides: ${saidBy(answer)}`);
    all.push(JSON.parse(answer.body.toString()));
    next = /<([^>]*)>; rel="next"/.exec(String(answer.headers["link"] ?? ""))?.[1];
    if (all.length > 50) throw new Error("the pages do not end");
  }
  return all;
}

t.test("tags are listed page by page, under the front's name", async (t) => {
  const { registry, client } = await domainStage(t, { auth: "none" });
  for (const tag of ["1", "2", "3", "4", "5"])
    registry.image({ repository: `${prefix}/a/b`, tag, layers: [Buffer.from(tag)] });
  t.same(await pages(client, "/v2/a/b/tags/list?n=2"), [
    { name: "a/b", tags: ["1", "2"] },
    { name: "a/b", tags: ["3", "4"] },
    { name: "a/b", tags: ["5"] },
  ]);
  const absolute = `<https://reg.test/v2/${prefix}/a/b/tags/list?n=1&last=5>; rel="next"`;
  registry.fault({ kind: "tags" }, { headers: { link: absolute } });
  const { headers } = await client.request("/v2/a/b/tags/list");
  t.equal(headers["link"], '</v2/a/b/tags/list?n=1&last=5>; rel="next"');
});

const others = Array.from({ length: 9 }, (_, index) => `other/${index}`);
const ours = ["a", "b/c", "d", "e", "team"];

t.test("the catalog has all of the prefix's repositories and none of the others, in pages of any size", async (t) => {
  const { registry, client } = await domainStage(t, { auth: "none" });
  fill(registry, [
    ...others,
    ...ours.map((name) => `${prefix}/${name}`),
    `${prefix}-2/x`,
    prefix,
    "zebra/1",
    "zebra/2",
  ]);
  const listed = ours.slice(0, -1);
  registry.content.repositories.delete(`${prefix}/team`);
  for (const n of ["", "?n=1", "?n=2", "?n=3", "?n=4", "?n=100"]) {
    const found = (await pages(client, `/v2/_catalog${n}`)) as { repositories: string[] }[];
    t.same(
      found.flatMap(({ repositories }) => repositories),
      listed,
      n,
    );
    const most = Number(n.slice(3)) || Infinity;
    t.ok(
      found.every(({ repositories }) => repositories.length <= most),
      n,
    );
    t.ok(
      found.slice(0, -1).every(({ repositories }) => repositories.length > 0),
      `${n}: no page but the last is empty`,
    );
  }
  t.same(await pages(client, "/v2/_catalog?last=b%2Fc"), [{ repositories: ["d", "e"] }]);
  t.equal((await client.request("/v2/_catalog", { method: "HEAD" })).status, 200);
});

t.test("a prefix without repositories has an empty catalog", async (t) => {
  const { registry, client } = await domainStage(t, { auth: "none" });
  fill(registry, others);
  t.same(await pages(client, "/v2/_catalog?n=2"), [{ repositories: [] }]);
});

t.test("pages that a registry goes on with by other means lead on, ours or not", async (t) => {
  const { registry, client } = await domainStage(t, { auth: "none" });
  const list = [["other/1"], ["other/2", `${prefix}/b`], ["zebra/1"], [`${prefix}/a`, "zebra/2"], ["other/3"]];
  for (const [index, repositories] of list.entries()) {
    const next = index + 1 < list.length ? { link: `</v2/_catalog?cursor=${index + 1}&n=2>; rel="next"` } : {};
    const where = ({ query }: { query: URLSearchParams }): boolean => (query.get("cursor") ?? "0") === String(index);
    registry.fault({ kind: "catalog", where }, { status: 200, body: JSON.stringify({ repositories }), headers: next });
  }
  t.same(await pages(client, "/v2/_catalog"), [{ repositories: ["b"] }, { repositories: ["a"] }]);
});

t.test("a registry that takes no unknown name for a place is asked from the start", async (t) => {
  const { registry, client } = await domainStage(t, { auth: "none" });
  fill(registry, [...others, `${prefix}/a`]);
  const unknown = ({ query }: { query: URLSearchParams }): boolean => query.get("last") === prefix;
  registry.fault({ kind: "catalog", where: unknown }, { status: 400, body: "{}" });
  t.same(await pages(client, "/v2/_catalog?n=2"), [{ repositories: ["a"] }]);
});

t.test("a registry without pages is not asked for ever", async (t) => {
  const { registry, client } = await domainStage(t, { auth: "none" });
  const repositories = ["other/1", ...ours.slice(0, -1).map((name) => `${prefix}/${name}`)];
  registry.fault({ kind: "catalog" }, { status: 200, body: JSON.stringify({ repositories }) });
  t.same(await pages(client, "/v2/_catalog?n=3"), [{ repositories: ["a", "b/c", "d"] }, { repositories: ["e"] }]);
});

t.test("what a registry says in place of a list is passed on, or said to be none", async (t) => {
  const { registry, client } = await domainStage(t, { auth: "none" });
  const end = registry.fault({ kind: "catalog" }, { status: 403 });
  t.equal((await client.request("/v2/_catalog")).status, 403);
  end();
  registry.fault({ kind: "catalog" }, { status: 200, body: "<html>" });
  t.match(ociError(await client.request("/v2/_catalog")), { code: "UPSTREAM_PROTOCOL" });
});

t.test("a catalog needs the token that the registry asks for", async (t) => {
  const { client } = await domainStage(t);
  const answer = await client.request("/v2/_catalog");
  t.equal(answer.status, 401);
  t.match(answer.headers["www-authenticate"], /realm="http:\/\/pull\.test\/_token"/);
});
