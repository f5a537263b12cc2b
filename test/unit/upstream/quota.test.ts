import fc from "fast-check";
import t from "tap";
import { makeOrigin } from "../../../src/core/origin.ts";
import { createQuotas, parseQuota, type Quota } from "../../../src/upstream/quota.ts";

const hub = makeOrigin("https", "registry-1.docker.io");
const window = 21_600_000;

function open(max?: number) {
  const clock = { time: 1_000_000, now: () => clock.time };
  const low: Quota[] = [];
  const quotas = createQuotas({ clock, onLow: (quota) => low.push(quota), ...(max !== undefined && { max }) });
  const see = (remaining: number, payer = "anonymous", limit = 100) => {
    quotas.observe(hub, payer, {
      "ratelimit-limit": `${limit};w=21600`,
      "ratelimit-remaining": `${remaining};w=21600`,
      "docker-ratelimit-source": "192.0.2.1",
    });
  };
  return { clock, low, quotas, see };
}

t.test("figures", async (t) => {
  const cases: [header: string | undefined, expected: object | undefined][] = [
    ["100;w=21600", { count: 100, window }],
    ["0;w=21600", { count: 0, window }],
    [" 93 ; w=21600 ", { count: 93, window }],
    ["200", { count: 200, window: undefined }],
    ["10;comment=x;w=1", { count: 10, window: 1000 }],
    ["10;window=5", { count: 10, window: undefined }],
    ["100;w=21600, 5000;w=86400", { count: 100, window }],
    ["", undefined],
    [undefined, undefined],
    ["-1;w=2", undefined],
    ["1.5", undefined],
    ["many", undefined],
    ["10 20", undefined],
  ];
  for (const [header, expected] of cases) t.same(parseQuota(header), expected, String(header));
});

t.test("any text is read in time, and never as less than nothing", async (t) => {
  const property = fc.property(fc.string({ maxLength: 300 }), (text) => (parseQuota(text)?.count ?? 0) >= 0);
  t.doesNotThrow(() => fc.assert(property));
});

t.test("what a registry says is kept for each that pays", async (t) => {
  const { quotas, see, clock } = open();
  see(93);
  see(150, "account", 200);
  see(92);
  const common = { origin: hub.name, window, source: "192.0.2.1", seen: clock.time };
  t.same(quotas.list(), [
    { ...common, payer: "account", limit: 200, remaining: 150 },
    { ...common, payer: "anonymous", limit: 100, remaining: 92 },
  ]);
});

t.test("no fields, no limit", async (t) => {
  const { quotas } = open();
  quotas.observe(hub, "anonymous", { "content-type": "text/plain" });
  quotas.observe(hub, "anonymous", { "ratelimit-remaining": "lots" });
  t.same(quotas.list(), []);
});

t.test("a figure alone is its own limit", async (t) => {
  const { quotas } = open();
  quotas.observe(hub, "anonymous", { "ratelimit-remaining": "7" });
  t.match(quotas.list(), [{ limit: 7, remaining: 7, source: undefined }]);
});

t.test("it is told once that little is left, until there is more again", async (t) => {
  const { low, see } = open();
  for (const remaining of [11, 10, 9, 8, 0]) see(remaining);
  t.match(low, [{ origin: hub.name, payer: "anonymous", remaining: 9, limit: 100 }]);
  see(100);
  see(9);
  t.equal(low.length, 2);
  see(1, "account", 200);
  t.equal(low.length, 3, "another's is another's");
});

t.test("a window that is over is forgotten", async (t) => {
  const { quotas, see, clock, low } = open();
  see(5);
  clock.time += window - 1;
  t.equal(quotas.list().length, 1);
  clock.time += 1;
  t.same(quotas.list(), []);
  see(4);
  t.equal(low.length, 2, "and what is low in the next one is told again");
});

t.test("what is remembered is bounded, and so is a text that an upstream chose", async (t) => {
  const { quotas, see } = open(2);
  for (const payer of ["a", "b", "c"]) see(50, payer);
  t.same(
    quotas
      .list()
      .map(({ payer }) => payer)
      .toSorted(),
    ["b", "c"],
  );
  quotas.observe(hub, "d", { "ratelimit-remaining": "1", "docker-ratelimit-source": "x".repeat(5000) });
  t.equal(quotas.list().find(({ payer }) => payer === "d")?.source?.length, 100);
});
