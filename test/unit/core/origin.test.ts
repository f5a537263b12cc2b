import fc from "fast-check";
import t from "tap";
import { isSameServer, makeOrigin, originOfUrl, parseHostPort } from "../../../src/core/origin.ts";

t.test("a host, with or without a port, has one spelling", (t) => {
  const table: [string, string, number | undefined][] = [
    ["quay.io", "quay.io", undefined],
    ["QUAY.io:443", "quay.io", 443],
    ["registry.test:5000", "registry.test", 5000],
    ["registry.test.", "registry.test", undefined],
    ["registry.test.:5000", "registry.test", 5000],
    ["localhost:65535", "localhost", 65535],
    ["host:0080", "host", 80],
    ["my_registry:1", "my_registry", 1],
    ["127.0.0.1:5000", "127.0.0.1", 5000],
    ["0x7f.1", "127.0.0.1", undefined],
    ["[::1]:5000", "::1", 5000],
    ["[2001:DB8:0:0::1]", "2001:db8::1", undefined],
    ["bücher.example", "xn--bcher-kva.example", undefined],
    ["xn--bcher-kva.example", "xn--bcher-kva.example", undefined],
  ];
  for (const [text, host, port] of table) t.strictSame(parseHostPort(text), { host, port }, text);
  t.end();
});

t.test("what is no host and port is refused", (t) => {
  const wrong = [
    "",
    ":443",
    "host:",
    "host:0",
    "host:65536",
    "host:99999",
    "host:123456",
    "host:-1",
    "host:4a",
    "host:443:443",
    "::1",
    "[::1",
    "::1]",
    "[]:443",
    "[1.2.3]",
    "[::1]x:443",
    "user@host",
    "host/path",
    "host?query",
    "host#fragment",
    "ho st",
    "host\t",
    "host\r\nX: y",
    "host\\x",
    "ho%00st",
    "ho<st",
    ".",
    "..",
    ".host",
    "a..b",
    "host..",
    "256.1.1.1",
    "https://host",
  ];
  for (const text of wrong) t.equal(parseHostPort(text), undefined, JSON.stringify(text));
  t.end();
});

t.test("parsing never throws, and what it gives is a fixed point", (t) => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.domain(), fc.ipV6(), fc.webAuthority()), (text) => {
      const parsed = parseHostPort(text);
      if (parsed === undefined) return;
      const { authority } = makeOrigin("https", parsed.host, parsed.port);
      const again = parseHostPort(authority);
      t.equal(again?.host, parsed.host);
      t.equal(again?.port ?? 443, parsed.port ?? 443);
    }),
  );
  t.end();
});

t.test("an origin's name leaves out the port that goes without saying", (t) => {
  t.match(makeOrigin("https", "quay.io"), { port: 443, name: "quay.io", authority: "quay.io" });
  t.match(makeOrigin("https", "quay.io", 443), { name: "quay.io" });
  t.match(makeOrigin("https", "quay.io", 80), { name: "quay.io:80", authority: "quay.io:80" });
  t.match(makeOrigin("http", "quay.io"), { port: 80, name: "http://quay.io", authority: "quay.io" });
  t.match(makeOrigin("http", "quay.io", 443), { name: "http://quay.io:443" });
  t.match(makeOrigin("https", "::1", 5000), { host: "::1", name: "[::1]:5000", authority: "[::1]:5000" });
  t.end();
});

t.test("origins that differ in scheme, host or port have different names", (t) => {
  const names = (["https", "http"] as const).flatMap((scheme) =>
    ["a", "b", "::1"].flatMap((host) => [80, 443, 5000].map((port) => makeOrigin(scheme, host, port).name)),
  );
  t.equal(new Set(names).size, names.length);
  t.end();
});

t.test("the origin of a URL", (t) => {
  t.equal(originOfUrl(new URL("https://Quay.io:443/v2/"))?.name, "quay.io");
  t.equal(originOfUrl(new URL("http://[::1]:5000/x"))?.name, "http://[::1]:5000");
  t.equal(originOfUrl(new URL("https://user:secret@host/"))?.name, "host");
  for (const url of ["ftp://host/", "file:///etc/passwd", "data:,x"])
    t.equal(originOfUrl(new URL(url)), undefined, url);
  t.end();
});

t.test("an origin that is asked in somebody's name is another one at the same server", async (t) => {
  const plain = makeOrigin("https", "quay.io");
  const lent = makeOrigin("https", "quay.io", undefined, "front");
  t.match(lent, { name: "quay.io as front", authority: "quay.io", as: "front" });
  t.not(lent.name, plain.name);
  t.ok(isSameServer(lent, plain));
  t.notOk(isSameServer(makeOrigin("http", "quay.io", 443), plain));
  t.notOk(isSameServer(makeOrigin("https", "quay.io", 444), plain));
});
