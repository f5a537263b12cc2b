import t from "tap";
import type { Challenge } from "../../../src/core/challenge.ts";
import { makeOrigin } from "../../../src/core/origin.ts";
import { mapScope, withRepository } from "../../../src/front/names.ts";
import { createView, type Seen } from "../../../src/front/seen.ts";

const bare = (name: string): string | undefined => (name.startsWith("team/") ? name.slice(5) : undefined);

function view(more: Partial<Seen> = {}) {
  return createView({
    upstream: makeOrigin("https", "reg.test"),
    target: "/v2/team/app/tags/list?n=2",
    path: (target) => withRepository(target, bare),
    name: bare,
    ...more,
  });
}

t.test("addresses at the upstream become paths of the front, and others stay", async (t) => {
  const cases: [location: string, expected: string][] = [
    ["/v2/team/app/blobs/uploads/7?_state=a%3D", "/v2/app/blobs/uploads/7?_state=a%3D"],
    ["https://reg.test/v2/team/app/blobs/uploads/7", "/v2/app/blobs/uploads/7"],
    ["https://reg.test:443/v2/team/app/blobs/uploads/7", "/v2/app/blobs/uploads/7"],
    ["http://reg.test/v2/team/app/blobs/uploads/7", "/v2/app/blobs/uploads/7"],
    ["list?n=2&last=b", "/v2/app/tags/list?n=2&last=b"],
    ["/artifacts/x", "https://reg.test/artifacts/x"],
    ["https://cdn.test/v2/team/app/blobs/x?sig=%2f", "https://cdn.test/v2/team/app/blobs/x?sig=%2f"],
    ["https://reg.test:8443/v2/team/app/manifests/1", "https://reg.test:8443/v2/team/app/manifests/1"],
    ["http://[", "http://["],
  ];
  for (const [location, expected] of cases) t.equal(view().fields(307, { location })["location"], expected, location);
});

t.test("each target of Link is seen from the front", async (t) => {
  const link = '</v2/team/app/tags/list?last=b&n=2>; rel="next", <https://docs.test/>; rel=help';
  t.equal(
    view().fields(200, { link })["link"],
    '</v2/app/tags/list?last=b&n=2>; rel="next", <https://docs.test/>; rel=help',
  );
});

t.test("a challenge is changed whole, its kind and what is unknown to us included", async (t) => {
  const change = ({ scheme, parameters }: Challenge): Challenge => {
    const { scope, ...others } = parameters;
    const seen = scope === undefined ? {} : { scope: mapScope(scope, bare) };
    return { scheme, parameters: { ...others, ...seen, realm: "http://front.test/_token" } };
  };
  const header = 'Bearer realm="https://auth.test/token",service="reg.test",scope="repository:team/app:pull",error="x"';
  const { "www-authenticate": seen } = view({ challenge: change }).fields(401, { "www-authenticate": header });
  t.equal(seen, 'Bearer realm="http://front.test/_token",service="reg.test",error="x",scope="repository:app:pull"');
  t.same(view().fields(401, { "www-authenticate": header }), { "www-authenticate": header });
  const none = view({ challenge: () => undefined });
  t.same(none.fields(401, { "www-authenticate": header, etag: "x" }), { etag: "x" });
});

t.test("lists name what the front has names for", async (t) => {
  const { body } = view();
  t.same(body?.("tags", 200, { name: "team/app", tags: ["team/x"] }), { name: "app", tags: ["team/x"] });
  t.same(body?.("catalog", 200, { repositories: ["team/a", "other/b", "team/c/d"] }), { repositories: ["a", "c/d"] });
  const index = { schemaVersion: 2, manifests: [] };
  t.equal(body?.("referrers", 200, index), index);
  t.same(body?.("tags", 200, ["team/app"]), ["team/app"]);
});

t.test("errors name no repository but the front's", async (t) => {
  const denied = [{ Type: "repository", Class: "", Name: "team/app", Action: "pull" }];
  const errors = [
    { code: "UNAUTHORIZED", message: "team/app is closed", detail: denied },
    { code: "NAME_UNKNOWN", message: "unknown", detail: { name: "team/app", n: 1 } },
  ];
  const seen = view({ text: (text) => text.replaceAll("team/", "") }).body?.("manifest", 404, { errors });
  t.same(seen, {
    errors: [
      { code: "UNAUTHORIZED", message: "app is closed", detail: [{ ...denied[0], Name: "app" }] },
      { code: "NAME_UNKNOWN", message: "unknown", detail: { name: "app", n: 1 } },
    ],
  });
});

t.test("fields of the front's own come last", async (t) => {
  const seen = view({ fields: (status) => ({ "x-front": String(status) }) }).fields(200, { etag: '"a"' });
  t.same(seen, { etag: '"a"', "x-front": "200" });
});
