import t from "tap";
import type { Claim, ClaimedPaths } from "../../../src/config/front-claims.ts";
import { createChoice, namespaceOf, withoutNamespace } from "../../../src/front/dispatch.ts";
import type { Front } from "../../../src/front/types.ts";

function claim(paths: ClaimedPaths, more: Partial<Claim> = {}): Claim {
  return { paths, endpoints: [], yields: false, ...more };
}

function front(name: string, claims: readonly Claim[], hosts: Front["hosts"] = []): Front {
  return { name, claims, hosts, handler: () => Promise.resolve() };
}

const mirror = front("mirror", [claim("ns", { yields: true }), claim("registry", { yields: true })]);
const store = front("store", [claim("proxy"), claim("registry")]);
const named = front("named", [claim("all")], [{ host: "images.test", port: undefined }]);
const onPort = front("on-port", [claim("registry", { endpoints: ["/token"] })], [{ host: "other.test", port: 5000 }]);
const isOwnPath = (path: string): boolean => path === "/" || path === "/metrics";

t.test("a front that answers everything has / as well, and no other of the proxy's own endpoints", async (t) => {
  const choose = createChoice([front("whole", [claim("all")]), named], isOwnPath);
  t.equal(choose({ host: "proxy:3128", target: "/?x=1" })?.name, "whole");
  t.equal(choose({ host: "proxy:3128", target: "/metrics" }), undefined);
  t.equal(choose({ host: "images.test", target: "/metrics" })?.name, "named");
});

t.test("a request goes to the front whose claim says most of it", async (t) => {
  const choose = createChoice([mirror, store, named, onPort], isOwnPath);
  const cases: [host: string | undefined, target: string, expected: string | undefined][] = [
    ["proxy:3128", "/v2/app/manifests/1", "store"],
    ["proxy:3128", "/v2/", "store"],
    ["proxy:3128", "/v2", "store"],
    ["proxy:3128", "/v2/proxy/quay.io/app/manifests/1", "store"],
    ["proxy:3128", "/v2/app/manifests/1?ns=quay.io", "store"],
    [undefined, "/v2/app/manifests/1", "store"],
    ["proxy:3128", "/", undefined],
    ["proxy:3128", "/metrics", undefined],
    ["proxy:3128", "/nothing", undefined],
    ["images.test", "/v2/app/manifests/1", "named"],
    ["IMAGES.test:8080", "/metrics", "named"],
    ["other.test:5000", "/v2/", "on-port"],
    ["other.test:5000", "/token?scope=a", "on-port"],
    ["other.test:5000", "/metrics", undefined],
    ["other.test", "/v2/", "store"],
    ["proxy:3128", "/v2x", undefined],
  ];
  for (const [host, target, expected] of cases) t.equal(choose({ host, target })?.name, expected, `${host} ${target}`);
});

t.test("what nobody asked for gives way, and answers where nobody else does", async (t) => {
  const choose = createChoice([mirror], isOwnPath);
  t.equal(choose({ host: "proxy:3128", target: "/v2/library/app/manifests/1" })?.name, "mirror");
  t.equal(choose({ host: "proxy:3128", target: "/v2/app/manifests/1?ns=quay.io" })?.name, "mirror");
  t.equal(choose({ host: "proxy:3128", target: "/metrics" }), undefined);
});

t.test("a registry in the query is read and taken out, and nothing else is", async (t) => {
  t.equal(namespaceOf("/v2/app/tags/list?n=5&ns=quay.io%3A8443"), "quay.io:8443");
  t.equal(namespaceOf("/v2/app/tags/list?n=5"), undefined);
  t.equal(withoutNamespace("/v2/app/tags/list?n=5&ns=quay.io&last=a%20b"), "/v2/app/tags/list?n=5&last=a%20b");
  t.equal(withoutNamespace("/v2/app/manifests/1?ns=quay.io"), "/v2/app/manifests/1");
  t.equal(withoutNamespace("/v2/app/manifests/1"), "/v2/app/manifests/1");
  t.equal(withoutNamespace("/v2/?nsx=1&ns"), "/v2/?nsx=1");
});
