import t from "tap";
import { createMetrics } from "../../../src/observe/metrics.ts";
import type { Trace } from "../../../src/observe/trace.ts";

function trace(more: Partial<Trace> = {}): Trace {
  return { door: "connect", client: "192.0.2.1", method: "GET", kind: "blob", origin: "a.test", status: 200, ...more };
}

t.test("exchanges are counted by door, kind, cache and class of status", async (t) => {
  const metrics = createMetrics({ version: "1.2.3", process: false });
  metrics.observe(trace({ cache: "HIT", bytes: 100, firstByte: 2 }));
  metrics.observe(trace({ cache: "HIT", bytes: 20, collapsed: true, status: 206, firstByte: 1 }));
  metrics.observe(trace({ cache: "HIT", status: 200, firstByte: 61_000 }));
  metrics.observe(trace({ cache: "MISS", bytes: 3, status: 404, error: "BLOB_UNKNOWN" }));
  metrics.observe({
    door: "tunnel",
    client: "x",
    method: "CONNECT",
    origin: "any.test:443",
    bytes: 1000,
    received: 50,
  });
  const text = await metrics.text();
  const lines = [
    'entrepot_requests_total{door="connect",front="",kind="blob",cache="HIT",status="2xx"} 3',
    'entrepot_requests_total{door="connect",front="",kind="blob",cache="MISS",status="4xx"} 1',
    'entrepot_requests_total{door="tunnel",front="",kind="tunnel",cache="none",status="none"} 1',
    'entrepot_served_bytes_total{cache="HIT"} 120',
    "entrepot_received_bytes_total 50",
    "entrepot_collapsed_requests_total 1",
    'entrepot_errors_total{code="BLOB_UNKNOWN"} 1',
    'entrepot_first_byte_seconds_bucket{le="0.001",kind="blob",cache="HIT"} 1',
    'entrepot_first_byte_seconds_bucket{le="0.0025",kind="blob",cache="HIT"} 2',
    'entrepot_first_byte_seconds_bucket{le="60",kind="blob",cache="HIT"} 2',
    'entrepot_first_byte_seconds_bucket{le="+Inf",kind="blob",cache="HIT"} 3',
    'entrepot_first_byte_seconds_sum{kind="blob",cache="HIT"} 61.003',
    'entrepot_first_byte_seconds_count{kind="blob",cache="HIT"} 3',
    `entrepot_build_info{version="1.2.3",node="${process.version}"} 1`,
  ];
  for (const line of lines) t.ok(text.split("\n").includes(line), line);
  t.match(metrics.totals(), { exchanges: 5, hits: 3, misses: 1, servedBytes: 1123, fetchedBytes: 0, tunnels: 1 });
  t.strictSame(metrics.totals().origins, [
    { name: "a.test", exchanges: 4, hits: 3, misses: 1, servedBytes: 123, fetchedBytes: 0 },
  ]);
});

t.test("the upstream's side", async (t) => {
  const metrics = createMetrics({ version: "1", process: false });
  metrics.upstreamAnswered("a.test", 307);
  metrics.upstreamAnswered("a.test", undefined);
  metrics.fetched("a.test", 4096);
  metrics.handshakeFailed("untrusted");
  const text = await metrics.text();
  t.match(text, 'entrepot_upstream_requests_total{origin="a.test",status="3xx"} 1\n');
  t.match(text, 'entrepot_upstream_requests_total{origin="a.test",status="none"} 1\n');
  t.match(text, 'entrepot_fetched_bytes_total{origin="a.test"} 4096\n');
  t.match(text, 'entrepot_tls_handshake_failures_total{reason="untrusted"} 1\n');
  t.match(metrics.totals(), { fetchedBytes: 4096, origins: [{ name: "a.test", fetchedBytes: 4096 }] });
});

t.test("gauges are asked when they are read", async (t) => {
  let flights = 1;
  const metrics = createMetrics({ version: "1", process: false, flights: () => flights, cacheBytes: () => 7 });
  t.match(await metrics.text(), "entrepot_flights_in_progress 1\n");
  flights = 2;
  const text = await metrics.text();
  t.match(text, "entrepot_flights_in_progress 2\n");
  t.match(text, "entrepot_cache_bytes 7\n");
  t.notMatch(text, "entrepot_connections");
});

t.test("what the scrubber did", async (t) => {
  let figures = { checkedBytes: 1000, rotten: 0 };
  const metrics = createMetrics({ version: "1", process: false, scrubber: () => figures });
  t.match(await metrics.text(), "entrepot_scrubber_checked_bytes_total 1000\n");
  figures = { checkedBytes: 3000, rotten: 2 };
  const text = await metrics.text();
  t.match(text, "# TYPE entrepot_scrubber_rotten_total counter\n");
  t.match(text, "entrepot_scrubber_checked_bytes_total 3000\n");
  t.match(text, "entrepot_scrubber_rotten_total 2\n");
});

t.test("endless names of origins make no endless labels", async (t) => {
  const metrics = createMetrics({ version: "1", process: false, origins: 3 });
  for (let index = 0; index < 1000; index++) {
    metrics.observe(trace({ origin: `${index}.test`, bytes: 1 }));
    metrics.upstreamAnswered(`${index}.test`, 200);
    metrics.fetched(`${index}.test`, 1);
  }
  const text = await metrics.text();
  t.equal(text.match(/^entrepot_upstream_requests_total\{/gm)?.length, 4);
  t.equal(text.match(/^entrepot_fetched_bytes_total\{/gm)?.length, 4);
  t.strictSame(metrics.totals().origins[0], {
    name: "other",
    exchanges: 997,
    hits: 0,
    misses: 0,
    servedBytes: 997,
    fetchedBytes: 997,
  });
});

t.test("two instances in one process do not meet, and the process is measured", async (t) => {
  const [one, other] = [createMetrics({ version: "1" }), createMetrics({ version: "2" })];
  one.observe(trace());
  t.match(await one.text(), /^process_cpu_seconds_total /m);
  t.notMatch(await other.text(), "entrepot_requests_total{");
  t.match(one.contentType, /^text\/plain/);
});

t.test("registries that fail, and what is left of quotas", async (t) => {
  let failing = [{ origin: "registry-1.docker.io", state: "open" }];
  const quotas = [{ origin: "registry-1.docker.io", payer: "anonymous", limit: 100, remaining: 7 }];
  const metrics = createMetrics({ version: "1", process: false, breakers: () => failing, quotas: () => quotas });
  const text = await metrics.text();
  t.match(text, 'entrepot_breaker_open{origin="registry-1.docker.io",state="open"} 1');
  t.match(text, 'entrepot_quota_remaining{origin="registry-1.docker.io",payer="anonymous"} 7');
  t.match(text, 'entrepot_quota_limit{origin="registry-1.docker.io",payer="anonymous"} 100');
  failing = [];
  t.notMatch(await metrics.text(), "entrepot_breaker_open{", "one that answers again is not named any more");
});
