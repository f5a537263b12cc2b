import t from "tap";
import { mapScope, withRepository } from "../../../src/front/names.ts";

const digest = `sha256:${"a".repeat(64)}`;
const prefixed = (name: string): string => `team/${name}`;
const bare = (name: string): string | undefined => (name.startsWith("team/") ? name.slice(5) : undefined);

t.test("a repository in a path gets its other name, and nothing else changes", async (t) => {
  const cases: [target: string, expected: string | undefined][] = [
    ["/v2/app/manifests/1.0", "/v2/team/app/manifests/1.0"],
    ["/v2/a/b/c/tags/list?n=5&last=x%2Fy", "/v2/team/a/b/c/tags/list?n=5&last=x%2Fy"],
    [`/v2/blobs/manifests/blobs/${digest}`, `/v2/team/blobs/manifests/blobs/${digest}`],
    ["/v2/app/blobs/uploads/id?_state=a%3D%3D", "/v2/team/app/blobs/uploads/id?_state=a%3D%3D"],
    ["/v2/app/blobs/uploads/?mount=x&from=y", "/v2/team/app/blobs/uploads/?mount=x&from=y"],
    ["/v2/a%2Fb/manifests/1?x=%2F", "/v2/team/a/b/manifests/1?x=%2F"],
    [`/v2/app/blobs/sha256%3A${"a".repeat(64)}`, `/v2/team/app/blobs/sha256%3A${"a".repeat(64)}`],
    ["/v2/", undefined],
    ["/v2/_catalog", undefined],
    ["/v2/../app/manifests/1", undefined],
    ["/elsewhere", undefined],
  ];
  for (const [target, expected] of cases) t.equal(withRepository(target, prefixed), expected, target);
  t.equal(withRepository("/v2/team/app/manifests/1", bare), "/v2/app/manifests/1");
  t.equal(withRepository("/v2/other/app/manifests/1", bare), undefined);
});

t.test("a scope has its repositories renamed, ports and plugins included", async (t) => {
  t.equal(mapScope("repository:app:pull", prefixed), "repository:team/app:pull");
  t.equal(
    mapScope("repository:app:pull,push  repository(plugin):b/c:pull registry:catalog:*", prefixed),
    "repository:team/app:pull,push repository(plugin):team/b/c:pull registry:catalog:*",
  );
  t.equal(mapScope("repository:reg.test:5000/app:pull", prefixed), "repository:team/reg.test:5000/app:pull");
  t.equal(mapScope("repository:team/app:pull repository:other/app:pull", bare), "repository:app:pull");
  t.equal(mapScope("", prefixed), "");
});
