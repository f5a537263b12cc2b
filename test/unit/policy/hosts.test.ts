import t from "tap";
import {
  parseHostRule,
  parseRange,
  type HostRule,
  type AddressRange,
  type TargetRule,
} from "../../../src/config/addresses.ts";
import { compileClientRules, compileHostRules, compileTargetRules } from "../../../src/policy/hosts.ts";

const hosts = (...texts: string[]): HostRule[] => texts.flatMap((text) => parseHostRule(text) ?? []);
const ranges = (...texts: string[]): AddressRange[] => texts.flatMap((text) => parseRange(text) ?? []);
const targets = (...texts: string[]): TargetRule[] => [
  ...ranges(...texts).map((range) => ({ kind: "range" as const, range })),
  ...hosts(...texts.filter((text) => parseRange(text) === undefined)).map((rule) => ({ kind: "host" as const, rule })),
];

t.test("hosts to intercept", async (t) => {
  const rules = compileHostRules(
    hosts("Quay.io", "reg.test:5000", "*.pkg.dev", "*.cluster.local:8443", "[::1]:5000", "10.0.0.1"),
  );
  const cases: [host: string, port: number, defaultPort: number, expected: boolean][] = [
    ["quay.io", 443, 443, true],
    ["quay.io", 80, 80, true],
    ["quay.io", 8443, 443, false],
    ["cdn.quay.io", 443, 443, false],
    ["notquay.io", 443, 443, false],
    ["reg.test", 5000, 443, true],
    ["reg.test", 5000, 80, true],
    ["reg.test", 443, 443, false],
    ["europe-docker.pkg.dev", 443, 443, true],
    ["pkg.dev", 443, 443, false],
    ["europe-docker.pkg.dev", 5000, 443, false],
    ["a.cluster.local", 8443, 443, true],
    ["a.cluster.local", 443, 443, false],
    ["::1", 5000, 443, true],
    ["10.0.0.1", 443, 443, true],
    ["evil.pkg.dev.example", 443, 443, false],
  ];
  for (const [host, port, defaultPort, expected] of cases) {
    t.equal(rules(host, port, defaultPort), expected, `${host}:${port}`);
  }
});

t.test("targets that are not tunnelled to", async (t) => {
  const rules = compileTargetRules(
    targets("169.254.0.0/16", "fe80::/10", "metadata.internal", "*.corp.example", "db.test:5432", "10.1.2.3"),
  );
  t.ok(rules.forbidsTarget("metadata.internal", 443));
  t.ok(rules.forbidsTarget("db.corp.example", 443));
  t.ok(rules.forbidsTarget("169.254.169.254", 443), "an address literal needs no resolving");
  t.ok(rules.forbidsTarget("10.1.2.3", 443));
  t.notOk(rules.forbidsTarget("corp.example", 443));
  t.ok(rules.forbidsTarget("db.test", 5432));
  t.notOk(rules.forbidsTarget("db.test", 443));
  t.ok(rules.forbidsAddress("169.254.1.1"));
  t.ok(rules.forbidsAddress("::ffff:169.254.1.1"), "mapped into IPv6");
  t.ok(rules.forbidsAddress("fe80::1"));
  t.notOk(rules.forbidsAddress("10.1.2.4"));
});

t.test("clients that are served", async (t) => {
  t.ok(compileClientRules([])("203.0.113.9"), "everybody where nothing is said");
  const rules = compileClientRules(ranges("10.0.0.0/8", "2001:db8::/32"));
  t.ok(rules("10.20.30.40"));
  t.ok(rules("::ffff:10.0.0.1"));
  t.ok(rules("2001:db8::1"));
  t.notOk(rules("192.0.2.1"));
  t.notOk(rules("not an address"));
});
