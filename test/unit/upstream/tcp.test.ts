import t from "tap";
import { type Resolve, guardedLookup, openTcp } from "../../../src/upstream/tcp.ts";

const addresses = [
  { address: "fd00::1", family: 6 },
  { address: "192.0.2.1", family: 4 },
];

function look(options: { ipv4Only?: boolean; forbids?: (address: string) => boolean }, all: boolean) {
  const families: unknown[] = [];
  const resolve: Resolve = (_host, asked, done) => {
    families.push(asked.family);
    done(null, addresses);
  };
  const lookup = guardedLookup({ ipv4Only: false, forbids: () => false, ...options, resolve });
  return new Promise<unknown[]>((settle) => {
    lookup("registry.test", { all }, (...answer) => settle([...answer, families]));
  });
}

t.test("one address or all, in the resolver's order", async (t) => {
  t.same(await look({}, true), [null, addresses, [undefined]]);
  t.same(await look({}, false), [null, "fd00::1", 6, [undefined]]);
});

t.test("IPv4 alone is asked for, also where a proxy's client does the asking", async (t) => {
  t.same((await look({ ipv4Only: true }, false)).at(-1), [4]);
});

t.test("forbidden addresses are left out; none left is DENIED", async (t) => {
  const forbids = (address: string) => address.startsWith("fd00:");
  t.same(await look({ forbids }, false), [null, "192.0.2.1", 4, [undefined]]);
  t.match(await look({ forbids: () => true }, true), [{ code: "DENIED", message: /registry\.test/ }]);
});

t.test("an error of the resolver is passed on", async (t) => {
  const error = Object.assign(new Error("no"), { code: "ENOTFOUND" });
  const resolve: Resolve = (_host, _asked, done) => done(error, []);
  const options = { ipv4Only: false, forbids: () => false, resolve };
  await t.rejects(openTcp("registry.test", 443, options, 1024, new AbortController().signal), {
    code: "UPSTREAM_UNRESOLVED",
    message: /registry\.test.*ENOTFOUND/,
  });
});
