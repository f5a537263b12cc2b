import { createServer, type Socket } from "node:net";
import t, { type Test } from "tap";
import type { Fault } from "../../fixtures/faults.ts";
import { type RunningProxy, startProxy } from "../../fixtures/proxy.ts";
import { manifestAccept, type ProxyClient } from "../../fixtures/proxy-client.ts";
import { startRegistry, uniqueBytes } from "../../fixtures/registry.ts";
import { cacheStatus, clientOf, finalLines, hub, lineOf, ociError, stage } from "../stage.ts";

const blobPath = (digest: string): string => `/v2/library/app/blobs/${digest}`;
const headers = { accept: manifestAccept };

async function serves(t: Test, client: ProxyClient, path: string, digest: string): Promise<void> {
  const answer = await client.request(path, { headers });
  const expected = { status: 200, headers: { "docker-content-digest": digest, [cacheStatus]: "MISS" } };
  t.match(answer, expected, "the next one is whole, and was not cached before");
}

interface Case {
  readonly name: string;
  readonly fault: Fault;
  /** Undefined: the connection is cut, as the head was sent already. */
  readonly status: number | undefined;
  readonly code: string | RegExp;
  readonly sentence: RegExp;
}

const size = 300_000;
const cases: Case[] = [
  {
    name: "an answer that ends in the middle of its header",
    fault: { closeMidHeader: true },
    status: 502,
    code: "UPSTREAM_PROTOCOL",
    sentence: /closed the connection before its answer/,
  },
  {
    name: "more bytes than its Content-Length",
    fault: { lengthOff: -10 },
    status: undefined,
    code: /UPSTREAM_WRONG_(?:DIGEST|LENGTH)/,
    sentence: /sha256:/,
  },
  {
    name: "fewer bytes than its Content-Length",
    fault: { lengthOff: 10 },
    status: undefined,
    code: /UPSTREAM_WRONG_LENGTH|UPSTREAM_PROTOCOL/,
    sentence: /./,
  },
  {
    name: "another digest",
    fault: { corruptAt: 12_345 },
    status: undefined,
    code: "UPSTREAM_WRONG_DIGEST",
    sentence: /in place of/,
  },
  {
    name: "another digest at its very end",
    fault: { corruptAt: size - 1 },
    status: undefined,
    code: "UPSTREAM_WRONG_DIGEST",
    sentence: /in place of/,
  },
  {
    name: "no answer",
    fault: { silent: true },
    status: 504,
    code: "UPSTREAM_TIMEOUT",
    sentence: /registry-1\.docker\.io sent nothing for \d+ ms/,
  },
];

for (const { name, fault, status, code, sentence } of cases) {
  t.test(`a blob from a registry with ${name}`, async (t) => {
    const { registry, proxy, client } = await stage(t, { env: { PROXY_READ_TIMEOUT: "500ms" } });
    const blob = registry.blob("library/app", uniqueBytes(size));
    const end = registry.fault({ kind: "blob" }, fault);
    const answer = await client.request(blobPath(blob.digest)).catch(() => undefined);
    if (status === undefined) {
      t.notOk(answer?.complete, "the client does not take it for whole");
      t.ok((answer?.body.length ?? 0) < size, "its last byte never comes");
    } else if (answer !== undefined) {
      t.equal(answer.status, status);
      t.match(ociError(answer), { code, message: sentence });
    } else t.fail("no answer");
    t.match(await lineOf(proxy, ({ kind }) => kind === "blob"), { error: code, msg: sentence, level: "warn" });
    end();
    await serves(t, client, blobPath(blob.digest), blob.digest);
    t.equal((await finalLines(proxy)).length, 2, "each exchange is logged once");
  });
}

t.test("a manifest by tag from a registry that", async (t) => {
  const { registry, proxy, client } = await stage(t, { env: { PROXY_READ_TIMEOUT: "500ms" } });
  const wrong: [name: string, fault: Fault, status: number, code: string][] = [
    ["ends in the middle of its header", { closeMidHeader: true }, 502, "UPSTREAM_PROTOCOL"],
    ["sends fewer bytes than announced", { lengthOff: 10 }, 502, "UPSTREAM_WRONG_LENGTH"],
    ["sends another digest", { corruptAt: 7 }, 502, "UPSTREAM_WRONG_DIGEST"],
    ["never answers", { silent: true }, 504, "UPSTREAM_TIMEOUT"],
  ];
  for (const [name, fault, status, code] of wrong) {
    const tag = code.toLowerCase();
    const { digest } = registry.image({ repository: "library/app", tag, layers: [uniqueBytes(10)] });
    const end = registry.fault({ kind: "manifest" }, fault);
    const answer = await client.request(`/v2/library/app/manifests/${tag}`, { headers });
    t.equal(answer.status, status, name);
    t.equal(ociError(answer).code, code);
    end();
    await serves(t, client, `/v2/library/app/manifests/${tag}`, digest);
  }
  t.equal((await finalLines(proxy)).length, 2 * wrong.length, "each exchange is logged once");
});

t.test("what is passed through is cut where the registry cuts it", async (t) => {
  const { registry, proxy, client } = await stage(t, { env: { PROXY_READ_TIMEOUT: "500ms" } });
  registry.image({ repository: "library/app", tag: "1", layers: [] });
  const path = "/v2/library/app/tags/list";
  const wrong: [fault: Fault, status: number][] = [
    [{ closeMidHeader: true }, 502],
    [{ silent: true }, 504],
  ];
  for (const [fault, status] of wrong) {
    registry.fault({ kind: "tags" }, fault, 1);
    t.equal((await client.request(path)).status, status);
  }
  registry.fault({ kind: "tags" }, { lengthOff: 10 }, 1);
  const short = await client.request(path);
  t.notOk(short.complete, "shorter than it was announced");
  t.match(await client.request(path), { status: 200, complete: true });
  t.same(
    (await finalLines(proxy)).map(({ error }) => error),
    ["UPSTREAM_PROTOCOL", "UPSTREAM_TIMEOUT", "UPSTREAM_WRONG_LENGTH", undefined],
  );
});

async function refuses(t: Test, proxy: RunningProxy, code: string, sentence: RegExp): Promise<void> {
  const client = clientOf(t, proxy);
  const manifest = await client.request("/v2/library/app/manifests/1", { headers });
  const blob = await client.request(blobPath(`sha256:${"0".repeat(64)}`));
  const ping = await client.request("/v2/");
  for (const answer of [manifest, blob, ping]) {
    t.equal(answer.status, 502);
    t.match(ociError(answer), { code, message: sentence });
  }
  const own = await clientOf(t, proxy, "docker.caching.proxy.internal").request("/healthz");
  t.equal(own.status, 200, "the proxy is well");
  const lines = (await finalLines(proxy)).filter(({ kind }) => kind !== "own");
  t.same(
    lines.map(({ status, error }) => [status, error]),
    [1, 2, 3].map(() => [502, code]),
  );
}

t.test("a certificate that nobody vouches for", async (t) => {
  const { registry, proxy } = await stage(t, { registry: { certificate: "untrusted" } });
  await refuses(t, proxy, "UPSTREAM_TLS", /certificate of registry-1\.docker\.io is self-signed.*UPSTREAM_CA_FILE/);
  t.equal(registry.count(), 0, "no request went there");
});

t.test("a certificate for another name", async (t) => {
  const { registry, proxy } = await stage(t, { registry: { certificate: "wrong-name" } });
  await refuses(t, proxy, "UPSTREAM_TLS", /is for another name/);
  t.equal(registry.count(), 0);
});

t.test("with VERIFY_SSL=false both are served", async (t) => {
  for (const certificate of ["untrusted", "wrong-name"] as const) {
    const { client } = await stage(t, { registry: { certificate }, env: { VERIFY_SSL: "false" } });
    t.equal((await client.request("/v2/")).status, 200);
  }
});

async function rawServer(t: Test, onConnection: (socket: Socket) => void): Promise<{ hostMap: string[] }> {
  const open = new Set<Socket>();
  const server = createServer((socket) => {
    open.add(socket);
    socket.on("error", () => undefined);
    onConnection(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.teardown(() => {
    for (const socket of open) socket.destroy();
    server.close();
  });
  const address = server.address();
  const port = typeof address === "object" ? address?.port : undefined;
  return { hostMap: [`${hub}:443=127.0.0.1:${port}`] };
}

t.test("a port where nobody listens", async (t) => {
  const ends: (() => unknown)[] = [];
  const { hostMap } = await startRegistry({ teardown: (end) => ends.push(end) }, { names: [hub] });
  for (const end of ends) await end();
  const proxy = await startProxy(t, { upstreams: [{ hostMap }] });
  await refuses(t, proxy, "UPSTREAM_UNREACHABLE", /cannot be connected to \(ECONNREFUSED\)/);
});

t.test("a server that speaks no TLS", async (t) => {
  const plain = await rawServer(t, (socket) => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n"));
  const proxy = await startProxy(t, { upstreams: [plain] });
  await refuses(t, proxy, "UPSTREAM_TLS", /does not speak TLS/);
});

t.test("a name that does not exist", async (t) => {
  const proxy = await startProxy(t, { env: { REGISTRIES: "no-such-registry.invalid" } });
  const client = clientOf(t, proxy, "no-such-registry.invalid");
  const answer = await client.request("/v2/");
  t.equal(answer.status, 502);
  t.match(ociError(answer), { code: "UPSTREAM_UNRESOLVED", message: /no-such-registry\.invalid has no address/ });
  const lines = await finalLines(proxy);
  t.equal(lines.length, 1);
  t.match(lines, [{ status: 502, error: "UPSTREAM_UNRESOLVED" }]);
});

t.test("a handshake that never ends", async (t) => {
  const silent = await rawServer(t, () => undefined);
  const proxy = await startProxy(t, { upstreams: [silent], env: { PROXY_CONNECT_TIMEOUT: "400ms" } });
  const answer = await clientOf(t, proxy).request("/v2/");
  t.equal(answer.status, 504);
  t.equal(ociError(answer).code, "UPSTREAM_TIMEOUT");
  t.match(await finalLines(proxy), [{ status: 504, error: "UPSTREAM_TIMEOUT" }]);
});
