import t from "tap";
import { createPrefix } from "../../../src/front/prefix.ts";
import { isRepositoryName } from "../../../src/core/request.ts";
import { randomOf } from "../../fixtures/random.ts";

const team = createPrefix("team/images");

t.test("a repository's name has the prefix at the registry and not here", async (t) => {
  t.equal(team.full("app"), "team/images/app");
  t.equal(team.bare("team/images/a/b"), "a/b");
  for (const other of ["app", "team/images", "team/imagesx/app", "team/app", "x/team/images/app", "team/images-2/app"])
    t.equal(team.bare(other), undefined, other);
  const none = createPrefix("");
  t.equal(none.full("a/b"), "a/b");
  t.equal(none.bare("a/b"), "a/b");
  t.equal(none.fullScope("repository:a:pull"), "repository:a:pull");
  t.equal(none.without("a/b"), "a/b");
});

t.test("each scope has the prefix once", async (t) => {
  const cases: [scope: string, expected: string][] = [
    ["repository:app:pull", "repository:team/images/app:pull"],
    ["repository:team/images/app:pull", "repository:team/images/app:pull"],
    [
      "repository:app:pull repository:b/c:pull,push",
      "repository:team/images/app:pull repository:team/images/b/c:pull,push",
    ],
    [
      "repository:app:pull repository:team/images/b:pull",
      "repository:team/images/app:pull repository:team/images/b:pull",
    ],
    ["repository:team:pull", "repository:team/images/team:pull"],
    ["repository:team/images:pull", "repository:team/images/team/images:pull"],
    ["repository:team/images-2/app:pull", "repository:team/images/team/images-2/app:pull"],
    ["repository(plugin):app:pull", "repository(plugin):team/images/app:pull"],
    ["repository(plugin):team/images/app:pull", "repository(plugin):team/images/app:pull"],
    ["repository:reg.test:5000/app:pull", "repository:team/images/reg.test:5000/app:pull"],
    ["registry:catalog:*", "registry:catalog:*"],
    ["registry:catalog:* repository:app:*", "registry:catalog:* repository:team/images/app:*"],
    ["", ""],
  ];
  for (const [scope, expected] of cases) t.equal(team.fullScope(scope), expected, scope);
  for (const [scope] of cases) t.equal(team.fullScope(team.fullScope(scope)), team.fullScope(scope), `${scope}, twice`);
});

t.test("a challenge's scope shows no prefix, and nothing of others", async (t) => {
  t.equal(team.bareScope("repository:team/images/app:pull"), "repository:app:pull");
  t.equal(team.bareScope("repository:team/images/app:pull repository:other/x:pull"), "repository:app:pull");
  t.equal(team.bareScope("registry:catalog:*"), "registry:catalog:*");
});

t.test("the other repository of a mount is one of ours as well", async (t) => {
  t.equal(
    team.toUpstream("/v2/app/blobs/uploads/?mount=sha256%3Aaa&from=b%2Fc"),
    "/v2/team/images/app/blobs/uploads/?mount=sha256%3Aaa&from=team%2Fimages%2Fb%2Fc",
  );
  t.equal(team.toUpstream("/v2/app/manifests/1?from=b"), "/v2/team/images/app/manifests/1?from=b");
  for (const target of [
    "/v2/",
    "/v2/_catalog",
    "/v2/../x/manifests/1",
    "/v2/%2e%2e/x/manifests/1",
    "/v2/app",
    "/token",
  ])
    t.equal(team.toUpstream(target), undefined, target);
});

t.test("no text keeps the prefix where it is a name, and nothing else is taken from it", async (t) => {
  const cases: [text: string, expected: string][] = [
    ["repository team/images/app is closed", "repository app is closed"],
    ["/v2/team/images/app/manifests/1", "/v2/app/manifests/1"],
    ["last=team%2Fimages%2fapp", "last=app"],
    ['unknown "team/images"', 'unknown "(hidden)"'],
    ["no project team/images.", "no project (hidden)."],
    ["https://x.team/images.test/ at team/images.test", "https://x.team/images.test/ at team/images.test"],
    ["myteam/images/app team/images-2/app", "myteam/images/app team/images-2/app"],
  ];
  for (const [text, expected] of cases) t.equal(team.without(text), expected, text);
});

t.test("any name that gets the prefix and loses it is what it was, and shows none", async (t) => {
  const random = randomOf("prefixes");
  const pick = (choices: readonly string[]): string => choices[Math.floor(random() * choices.length)] ?? "a";
  const component = (): string =>
    pick(["a", "app", "team", "images", "blobs", "manifests", "tags", "uploads", "list", "x.y", "a__b", "q--r", "7"]);
  const name = (): string => Array.from({ length: 1 + Math.floor(random() * 4) }, component).join("/");
  const ends = [
    "manifests/latest",
    `blobs/sha256:${"a".repeat(64)}`,
    "tags/list?n=2&last=x%2Fy",
    "blobs/uploads/7?_s=a%3D",
  ];
  for (let round = 0; round < 3000; round++) {
    const [prefix, repository, end] = [createPrefix(name()), name(), pick(ends)];
    const said = `${prefix.name} ${repository} ${end}`;
    t.ok(isRepositoryName(repository), said);
    const target = `/v2/${repository}/${end}`;
    const full = prefix.toUpstream(target);
    const checks = [
      full === `/v2/${prefix.name}/${target.slice(4)}`,
      prefix.toClient(full ?? "") === target,
      prefix.bare(prefix.full(repository)) === repository,
      prefix.toClient(target) === undefined || target.startsWith(`/v2/${prefix.name}/`),
    ];
    if (prefix.bare(repository) === undefined)
      checks.push(
        prefix.bareScope(prefix.fullScope(`repository:${repository}:pull`)) === `repository:${repository}:pull`,
      );
    if (checks.includes(false)) t.fail(`${said}: ${checks.join()}`);
    const shown = prefix.without(`a ${prefix.full(repository)} b`);
    if (!` ${repository} `.includes(prefix.name) && shown.includes(prefix.name)) t.fail(`${said}: ${shown}`);
  }
});
