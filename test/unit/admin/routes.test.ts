import t from "tap";
import { createNamedUrl } from "../../../src/front/public-url.ts";
import { adminWith, emptyData, serveOwn } from "./own-server.ts";

t.test("the front says in a plain sentence that it works, and shows a browser the dashboard", async (t) => {
  const own = await serveOwn(t, adminWith({}));
  const plain = await own.ask("/");
  t.equal(plain.status, 200);
  t.match(plain.headers["content-type"], /^text\/plain/);
  t.match(plain.body, /^Entrepot works\..*\n$/);
  t.equal(plain.headers.vary, "accept");
  t.equal(own.exchanges[0]?.trace.kind, "own");
  t.equal(own.exchanges[0]?.trace.status, 200);

  const page = await own.ask("/?x", "GET", { accept: "text/html,application/xhtml+xml,*/*;q=0.8" });
  t.match(page.headers["content-type"], /^text\/html/);
  t.match(page.body, /^<!doctype html>/);
  t.match(page.headers["content-security-policy"], /default-src 'none'.*script-src 'sha256-/);
  t.notMatch(page.body, /(?:src|href)=|https?:\/\//, "nothing from elsewhere");
  t.match(await own.ask("/", "GET", { accept: "*/*" }), { body: /^Entrepot works/ });
});

t.test("the root comes as a certificate", async (t) => {
  const own = await serveOwn(t, adminWith({ rootPem: "-----BEGIN\n" }));
  const { status, headers, body } = await own.ask("/ca.crt");
  t.strictSame([status, headers["content-type"], body], [200, "application/x-x509-ca-cert", "-----BEGIN\n"]);
});

t.test("health, readiness and metrics", async (t) => {
  let problems: string[] = [];
  const own = await serveOwn(t, adminWith({ ready: async () => ({ ok: problems.length === 0, problems }) }));
  t.match(await own.ask("/healthz"), { status: 200, body: "ok\n" });
  t.match(await own.ask("/readyz"), { status: 200, body: "ready\n" });
  problems = ["The cache directory cannot be written."];
  t.match(await own.ask("/readyz"), { status: 503, body: "not ready\nThe cache directory cannot be written.\n" });
  t.match(await own.ask("/metrics"), {
    status: 200,
    body: "entrepot_x 1\n",
    headers: { "content-type": /version=0\.0\.4/ },
  });
});

t.test("the dashboard's data", async (t) => {
  const own = await serveOwn(t, adminWith({}));
  const { headers, body } = await own.ask("/dashboard.json");
  t.match(headers, {
    "content-type": /^application\/json/,
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
  });
  t.strictSame(JSON.parse(body), emptyData);
});

t.test("HEAD has the same head and no body; other methods are refused", async (t) => {
  const own = await serveOwn(t, adminWith({}));
  for (const path of ["/", "/ca.crt", "/setup/systemd", "/healthz", "/readyz", "/metrics", "/dashboard.json"]) {
    const [get, head] = [await own.ask(path), await own.ask(path, "HEAD")];
    t.equal(get.status, 200, path);
    t.equal(head.status, 200);
    t.equal(head.body, "");
    t.equal(head.headers["content-length"], String(Buffer.byteLength(get.body)));
    for (const method of ["POST", "PUT", "DELETE", "OPTIONS"]) {
      t.match(await own.ask(path, method), { status: 405, headers: { allow: "GET, HEAD" } });
    }
  }
});

t.test("anything else is not found, and the answer says what is", async (t) => {
  const own = await serveOwn(t, adminWith({}));
  for (const path of ["/nothing", "/setup", "//", "/ca.crt/", "/v2/", "/__proto__", "/constructor"]) {
    const { status, headers, body } = await own.ask(path);
    t.equal(status, 404, path);
    t.match(headers["content-type"], /^text\/plain/);
    t.match(body, /\/ca\.crt.*\/setup\/systemd.*\/healthz.*\/readyz.*\/metrics/);
    t.notOk(body.includes("nothing at this path: "));
  }
});

t.test("a page that fails answers and tells nothing", async (t) => {
  const own = await serveOwn(t, adminWith({ ready: () => Promise.reject(new Error("secret inside")) }));
  const { status, body } = await own.ask("/readyz");
  t.equal(status, 500);
  t.notMatch(body, /secret/);
});

t.test("a script is only made for an address that a machine could use", async (t) => {
  const own = await serveOwn(t, adminWith({}));
  const good = [
    ["proxy.example:3128", "http://proxy.example:3128/"],
    ["PROXY.example", "http://proxy.example/"],
    ["192.0.2.1:3128", "http://192.0.2.1:3128/"],
    ["[2001:db8::1]:3128", "http://[2001:db8::1]:3128/"],
    ["host_name", "http://host_name/"],
  ] as const;
  for (const [host, url] of good) {
    const { status, body } = await own.ask("/setup/systemd", "GET", { host });
    t.equal(status, 200, host);
    t.ok(body.includes(`Environment="HTTPS_PROXY=${url}"\n`), url);
  }
  const bad = [
    "$(reboot)",
    "`reboot`",
    "%24(reboot)",
    "a;reboot",
    "a'b",
    'a"b',
    "a&b",
    "a|b",
    "a b",
    "a/b",
    "a@b",
    "a\\b",
    "x:70000",
    "x:0",
    "*",
    "~root",
    "!x",
    "{a,b}",
    "a..%0ab",
    "-x",
    "docker.caching.proxy.internal",
  ];
  for (const host of bad) {
    const { status, body } = await own.ask("/setup/systemd", "GET", { host });
    t.equal(status, 400, JSON.stringify(host));
    t.notMatch(body, /reboot|#!/);
  }
  const trusting = await serveOwn(t, adminWith({ namedUrl: createNamedUrl(() => true) }));
  for (const host of ["$(reboot)", "docker.caching.proxy.internal"]) {
    const told = { host: "proxy.example", "x-forwarded-host": host };
    t.equal(
      (await trusting.ask("/setup/systemd", "GET", told)).status,
      400,
      "nor where a proxy that is trusted says so",
    );
  }
  const inside = await serveOwn(t, adminWith({}), "connect");
  t.equal((await inside.ask("/setup/systemd")).status, 400);
});
