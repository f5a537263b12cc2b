import t from "tap";
import {
  addressRanges,
  hostMap,
  hostRules,
  listenHosts,
  parseHostRule,
  parseRange,
  port,
  ports,
  targetRules,
} from "../../../src/config/addresses.ts";
import { accepts, read } from "./read.ts";

t.test("ports", async (t) => {
  t.same(read(ports, "3128 3129"), [3128, 3129]);
  t.same(read(ports, 3128), [3128]);
  t.same(read(ports, [3128, "0"]), [3128, 0]);
  t.same(read(ports, ""), []);
  t.same(read(ports, "80 x 70000"), { problems: ['"x" is not accepted', '"70000" is not accepted'] });
  for (const given of ["-1", "1.5", "65536", "0x50", {}, [[1]], null])
    t.notOk(accepts(ports, given), JSON.stringify(given));
  t.equal(read(port, "8081"), 8081);
  t.notOk(accepts(port, "8081 8082"));
});

t.test("addresses to listen on", async (t) => {
  t.same(read(listenHosts, "0.0.0.0 :: [::1] localhost"), ["0.0.0.0", "::", "::1", "localhost"]);
  for (const given of ["*", "a:80", "http://a", "a/b", "a_b*"]) t.notOk(accepts(listenHosts, given), given);
});

t.test("hosts, ports and patterns", async (t) => {
  const cases: [string, string, number | undefined, boolean][] = [
    ["gcr.io", "gcr.io", undefined, false],
    ["GCR.io", "gcr.io", undefined, false],
    ["reg.test:5000", "reg.test", 5000, false],
    ["*.pkg.dev", "*.pkg.dev", undefined, true],
    ["*.PKG.dev:8443", "*.pkg.dev", 8443, true],
    ["{a,b}.test", "{a,b}.test", undefined, true],
    ["[::1]:5000", "::1", 5000, false],
    ["0:0::1", "::1", undefined, false],
    ["bücher.example", "xn--bcher-kva.example", undefined, false],
  ];
  for (const [text, host, number, pattern] of cases) t.same(parseHostRule(text), { host, port: number, pattern }, text);
  for (const text of [
    "https://gcr.io",
    "gcr.io/",
    "a b",
    "a:0",
    "a:99999",
    "*.a:0",
    "*.a:99999",
    ":80",
    "",
    "a@b",
    "user:x@h",
  ]) {
    t.equal(parseHostRule(text), undefined, text);
  }
  t.same(read(hostRules, "a.b  a.b\nc.d"), [
    { host: "a.b", port: undefined, pattern: false },
    { host: "c.d", port: undefined, pattern: false },
  ]);
  t.same(read(hostRules, "none"), []);
  t.same(read(hostRules, ["none", "a.b"]), [
    { host: "none", port: undefined, pattern: false },
    { host: "a.b", port: undefined, pattern: false },
  ]);
});

t.test("blocks of addresses", async (t) => {
  t.same(parseRange("10.0.0.0/8"), { address: "10.0.0.0", prefix: 8, family: "ipv4" });
  t.same(parseRange("10.1.2.3"), { address: "10.1.2.3", prefix: 32, family: "ipv4" });
  t.same(parseRange("fe80::/10"), { address: "fe80::", prefix: 10, family: "ipv6" });
  t.same(parseRange("::1"), { address: "::1", prefix: 128, family: "ipv6" });
  for (const text of ["10.0.0.0/33", "fe80::/129", "10.0.0/8", "a.b/8", "10.0.0.0/", "10.0.0.0/-1", "fe80::1%lo"]) {
    t.equal(parseRange(text), undefined, text);
  }
  t.notOk(accepts(addressRanges, "10.0.0.0/8 reg.test"));
});

t.test("targets are blocks or hosts", async (t) => {
  t.same(read(targetRules, "169.254.0.0/16 [::1] *.internal metadata"), [
    { kind: "range", range: { address: "169.254.0.0", prefix: 16, family: "ipv4" } },
    { kind: "range", range: { address: "::1", prefix: 128, family: "ipv6" } },
    { kind: "host", rule: { host: "*.internal", port: undefined, pattern: true } },
    { kind: "host", rule: { host: "metadata", port: undefined, pattern: false } },
  ]);
  t.same(read(targetRules, "none"), []);
  for (const given of ["10.0.0.0/99", "a/8", "http://a"]) t.notOk(accepts(targetRules, given), given);
});

t.test("a host map", async (t) => {
  t.same(read(hostMap, "registry-1.docker.io:443=127.0.0.1:5443 [::1]:80=[::2]:81 A.test=b.test"), [
    { host: "registry-1.docker.io", port: 443, toHost: "127.0.0.1", toPort: 5443 },
    { host: "::1", port: 80, toHost: "::2", toPort: 81 },
    { host: "a.test", port: undefined, toHost: "b.test", toPort: undefined },
  ]);
  for (const given of ["a", "a=", "=b", "a=b=c", "a:0=b", "*.a=b", "a=http://b", "::1=b"])
    t.notOk(accepts(hostMap, given), given);
});
