import t from "tap";
import { contradictions, type PartialConfig } from "../../../src/config/contradictions.ts";

const credential = { host: "a.test", port: undefined, user: "u", password: "hunter2" };
const mapping = { host: "a.test", port: 443, toHost: "b.test", toPort: undefined };

t.test("options that contradict each other", async (t) => {
  const cases: [PartialConfig, RegExp][] = [
    [{ caCrtFile: "a" }, /^caCrtFile: it is set without caKeyFile/],
    [{ caKeyFile: "a" }, /^caKeyFile: it is set without caCrtFile/],
    [{ host: [] }, /^host: it is empty/],
    [{ port: [], tlsPort: [] }, /^port: it is empty, and so is tlsPort/],
    [{ port: [1, 1] }, /^port: 1 is port too/],
    [{ port: [1], tlsPort: [1] }, /^tlsPort: 1 is port too/],
    [{ port: [1], debug: true, debugPort: 1 }, /^debugPort: 1 is port too/],
    [{ debug: true, debugPort: 1, debugHub: true, debugHubPort: 1 }, /^debugHubPort: 1 is debugPort too/],
    [{ authRegistriesDelimiter: ":", authRegistryDelimiter: ":" }, /^authRegistryDelimiter: ":" contains/],
    [{ authRegistriesDelimiter: ":", authRegistryDelimiter: ":::" }, /^authRegistryDelimiter: ":::" contains/],
    [{ authRegistries: [credential, credential] }, /^authRegistries: two entries are for a.test; /],
    [{ hostMap: [mapping, mapping] }, /^hostMap: two entries are for a.test:443; /],
  ];
  for (const [config, problem] of cases) {
    const found = contradictions(config, (name) => name);
    t.match(found, [problem], JSON.stringify(config));
    t.equal(found.length, 1);
    t.notMatch(found.join(), /hunter2/);
  }
});

t.test("options that do not", async (t) => {
  const cases: PartialConfig[] = [
    {},
    { caCrtFile: "a", caKeyFile: "b" },
    { port: [], tlsPort: [1] },
    { port: [0, 0], tlsPort: [0] },
    { port: [8081], debug: false, debugPort: 8081 },
    { authRegistriesDelimiter: ":::", authRegistryDelimiter: ":" },
    { authRegistries: [credential, { ...credential, port: 5000 }] },
    { hostMap: [mapping, { ...mapping, port: 80 }] },
  ];
  for (const config of cases)
    t.same(
      contradictions(config, (name) => name),
      [],
      JSON.stringify(config),
    );
});
