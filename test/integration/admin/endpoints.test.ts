import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { request } from "node:http";
import { join } from "node:path";
import t, { type Test } from "tap";
import { packageVersion } from "../../../src/cli/version.ts";
import type { RunningProxy } from "../../fixtures/proxy.ts";
import { openRaw } from "../../fixtures/raw-socket.ts";
import { uniqueBytes } from "../../fixtures/registry.ts";
import { clientOf, hub, lineOf, MovableClock, stage } from "../stage.ts";

const ownName = "docker.caching.proxy.internal";

interface Page {
  readonly status: number;
  readonly headers: NodeJS.Dict<string | string[]>;
  readonly text: string;
}

type Ask = (path: string, headers?: Record<string, string>, method?: string) => Promise<Page>;

/** The ways to our own endpoints: origin form at our address, absolute form and CONNECT under our own name. */
function doors(t: Test, proxy: RunningProxy): Record<"origin" | "absolute" | "connect", Ask> {
  const plain =
    (prefix: string, host: string): Ask =>
    (path, headers = {}, method = "GET") =>
      new Promise((resolve, reject) => {
        const options = {
          port: proxy.port,
          host: "127.0.0.1",
          method,
          path: prefix + path,
          headers: { host, ...headers },
        };
        request({ ...options, agent: false }, (response) => {
          let text = "";
          response.setEncoding("utf8").on("data", (piece: string) => (text += piece));
          response.on("end", () => resolve({ status: response.statusCode ?? 0, headers: response.headers, text }));
        })
          .on("error", reject)
          .end();
      });
  const client = clientOf(t, proxy, ownName);
  return {
    origin: plain("", `127.0.0.1:${proxy.port}`),
    absolute: plain(`http://${ownName}`, ownName),
    connect: async (path, headers = {}, method = "GET") => {
      const answer = await client.request(path, { method, headers });
      return { status: answer.status, headers: answer.headers, text: answer.body.toString() };
    },
  };
}

t.test("our own endpoints are there through every door", async (t) => {
  const { registry, proxy } = await stage(t);
  const certificate = readFileSync(join(proxy.directory, "ca", "ca.crt"), "utf8");
  for (const [door, ask] of Object.entries(doors(t, proxy))) {
    const front = await ask("/");
    t.match(front, { status: 200, headers: { "content-type": /^text\/plain/ }, text: /^Entrepot works/ }, door);
    const browser = await ask("/", { accept: "text/html,*/*" });
    t.match(browser, { status: 200, headers: { "content-type": /^text\/html/ }, text: /<html/i });
    const ca = await ask("/ca.crt");
    t.match(ca, { status: 200, headers: { "content-type": "application/x-x509-ca-cert" } });
    t.equal(ca.text, certificate);
    t.equal((await ask("/healthz")).status, 200);
    t.match(await ask("/readyz"), { status: 200, text: /^ready/ });
    t.match(await ask("/metrics"), { status: 200, text: /^# HELP/ });
    t.equal((JSON.parse((await ask("/dashboard.json")).text) as { version: string }).version, packageVersion());
    t.equal((await ask("/none")).status, 404);
    t.equal((await ask("/healthz", {}, "POST")).status, 405);
    const head = await ask("/healthz", {}, "HEAD");
    t.match(head, { status: 200, text: "" });
    t.match(await lineOf(proxy, (line) => line["door"] === door), { kind: "own", origin: undefined });
  }
  t.equal(registry.count(), 0, "no registry is asked");
});

t.test("the setup script is for the address it was asked under", async (t) => {
  const { proxy } = await stage(t);
  const { origin, absolute, connect } = doors(t, proxy);
  const checksum = createHash("sha256").update(proxy.caPem).digest("hex");
  const script = await origin("/setup/systemd");
  t.match(script, { status: 200, headers: { "content-type": /shellscript/ }, text: /^#!\/bin\/sh\n/ });
  t.match(script.text, `Environment="HTTPS_PROXY=http://127.0.0.1:${proxy.port}/"`);
  t.match(script.text, checksum);
  t.equal(script.text.split("\n").filter((line) => line.includes("Environment")).length, 1);
  const named = await origin("/setup/systemd", { host: "proxy.example:3128" });
  t.match(named.text, 'HTTPS_PROXY=http://proxy.example:3128/"');
  t.equal((await origin("/setup/systemd", { host: "a$(id).example" })).status, 400);
  for (const ask of [absolute, connect])
    t.equal((await ask("/setup/systemd")).status, 400, "a name that nobody resolves");
});

t.test(
  "behind a proxy that is trusted, the setup script is for the address that it says it was asked under",
  async (t) => {
    const forwarded = { host: "inside:3128", "x-forwarded-proto": "https", "x-forwarded-host": "proxy.example" };
    for (const [trusted, url] of [
      ["127.0.0.0/8", "https://proxy.example/"],
      ["192.0.2.0/24", "http://inside:3128/"],
    ] as const) {
      const { proxy } = await stage(t, { env: { TRUSTED_PROXIES: trusted } });
      const { text } = await doors(t, proxy).origin("/setup/systemd", forwarded);
      t.match(text, `Environment="HTTPS_PROXY=${url}"\n`);
      t.match(text, `fetch '${url}ca.crt'`);
    }
  },
);

t.test("the numbers move with what is served", async (t) => {
  const { registry, proxy, client } = await stage(t);
  const { origin } = doors(t, proxy);
  const sample = async (line: string): Promise<number> => {
    const { text } = await origin("/metrics");
    const found = text.split("\n").find((one) => one.startsWith(`${line} `));
    return found === undefined ? 0 : Number(found.slice(line.length + 1));
  };
  const requests = (cache: string): string =>
    `entrepot_requests_total{door="connect",front="",kind="blob",cache="${cache}",status="2xx"}`;
  const blob = registry.blob("library/app", uniqueBytes(40_000));
  const path = `/v2/library/app/blobs/${blob.digest}`;
  t.equal(await sample(requests("MISS")), 0);
  for (let count = 0; count < 3; count += 1) await client.request(path);
  await client.request(`${path}00`);
  await lineOf(proxy, ({ status }) => status === 400);
  t.equal(await sample(requests("MISS")), 1);
  t.equal(await sample(requests("HIT")), 2);
  t.equal(await sample(`entrepot_upstream_requests_total{origin="${hub}",status="2xx"}`), 1);
  t.equal(await sample('entrepot_served_bytes_total{cache="HIT"}'), 80_000);
  t.equal(await sample(`entrepot_fetched_bytes_total{origin="${hub}"}`), 40_000);
  t.equal(await sample("entrepot_cache_bytes"), 40_000);
  t.equal(await sample("entrepot_cache_entries"), 1);
  t.equal(await sample('entrepot_errors_total{code="DIGEST_INVALID"}'), 1);
  t.ok((await sample("entrepot_connections")) >= 1);

  const data = JSON.parse((await origin("/dashboard.json")).text) as Record<string, unknown>;
  t.match(data, {
    cache: { bytes: 40_000, entries: 1, maximum: 32 * 1024 ** 3 },
    totals: { exchanges: 4, hits: 2, misses: 1, fetchedBytes: 40_000 },
    recent: [{ status: 400 }, { cache: "HIT" }, { cache: "HIT" }, { cache: "MISS", path, repository: "library/app" }],
  });
});

t.test("a proxy whose CA has expired is not ready, and still well", async (t) => {
  const clock = new MovableClock();
  const { proxy } = await stage(t, { clock });
  const { origin } = doors(t, proxy);
  clock.time += 200 * 365 * 86_400_000;
  t.match(await origin("/readyz"), { status: 503, text: /certificate has expired/ });
  t.equal((await origin("/healthz")).status, 200);
});

t.test("a registry's paths are not ours, and ours are not a registry's", async (t) => {
  const { registry, proxy, client } = await stage(t, { env: { MIRROR: "false" } });
  t.equal((await client.request("/metrics")).status, 404);
  t.equal(registry.count({ path: "/metrics" }), 1, "what is asked of a registry goes to it");
  const raw = await openRaw(proxy.port);
  raw.write(`GET /v2/ HTTP/1.1\r\nHost: 127.0.0.1:${proxy.port}\r\n\r\n`);
  t.match(await raw.until("\r\n\r\n"), /^HTTP\/1\.1 404 /);
  raw.destroy();
});
