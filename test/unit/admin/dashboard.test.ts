import { createHash } from "node:crypto";
import { Script } from "node:vm";
import t from "tap";
import { createSnapshot } from "../../../src/admin/dashboard-data.ts";
import { dashboardPage, dashboardPolicy } from "../../../src/admin/dashboard-page.ts";

function between(start: string, end: string): string {
  const from = dashboardPage.indexOf(start) + start.length;
  return dashboardPage.slice(from, dashboardPage.indexOf(end, from));
}

t.test("the policy lets in this style and this script alone", (t) => {
  for (const [directive, content] of [
    ["style-src", between("<style>", "</style>")],
    ["script-src", between("<script>", "</script>")],
  ] as const) {
    const hash = createHash("sha256").update(content).digest("base64");
    t.ok(dashboardPolicy.split("; ").includes(`${directive} 'sha256-${hash}'`), directive);
  }
  t.equal(dashboardPage.match(/<script/g)?.length, 1);
  t.notMatch(dashboardPage, / style=| on\w+=|javascript:/, "nothing inline that the policy forbids");
  t.end();
});

t.test("the script is one, and makes no markup of data", (t) => {
  const script = between("<script>", "</script>");
  t.doesNotThrow(() => new Script(script));
  t.notMatch(script, /innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval|Function\(/);
  for (const [, id = "none"] of script.matchAll(/(?:say|rows|element)\("([a-z-]+)"/g))
    t.ok(dashboardPage.includes(`id="${id}"`), id);
  t.end();
});

t.test("a snapshot asks everybody, at every call", (t) => {
  let now = 5000;
  const totals = { exchanges: 1, hits: 0, misses: 1, servedBytes: 2, fetchedBytes: 3, tunnels: 0, origins: [] };
  const snapshot = createSnapshot({
    version: "1.2.3",
    clock: { now: () => now },
    cache: () => ({ bytes: 1, maximum: 2, entries: 3 }),
    activity: () => ({ connections: 4, tunnels: 5, flights: 6 }),
    totals: () => totals,
    fronts: [{ name: "mirror", kind: "mirror", hosts: "any host", to: "a registry" }],
    recent: () => [],
  });
  now += 1500;
  t.match(snapshot(), {
    version: "1.2.3",
    now: 6500,
    uptime: 1500,
    cache: { entries: 3 },
    activity: { flights: 6 },
    totals,
    fronts: [{ name: "mirror", to: "a registry" }],
  });
  t.end();
});
