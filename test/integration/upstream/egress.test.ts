import { createServer, type IncomingMessage } from "node:http";
import { connect, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import t, { type Test } from "tap";
import { testAuthority } from "../../fixtures/certificates.ts";
import { startProxy } from "../../fixtures/proxy.ts";
import { startRegistry, uniqueBytes } from "../../fixtures/registry.ts";
import { clientOf, finalLines, ociError } from "../stage.ts";

interface Egress {
  readonly port: number;
  /** Targets of CONNECT, and Proxy-Authorization of each. */
  readonly targets: string[];
  readonly authorizations: (string | undefined)[];
  /** Status to refuse with. */
  refuse: number | undefined;
}

/** A site's proxy, which alone knows the way to the names of `places`. */
async function startEgress(t: Test, places: Readonly<Record<string, number>>): Promise<Egress> {
  const open = new Set<Duplex>();
  const server = createServer();
  server.on("connect", (message: IncomingMessage, client: Duplex, head: Buffer) => {
    egress.targets.push(message.url ?? "");
    egress.authorizations.push(message.headers["proxy-authorization"]);
    const port = places[message.url ?? ""];
    client.on("error", () => undefined);
    if (egress.refuse !== undefined || port === undefined) {
      client.end(`HTTP/1.1 ${egress.refuse ?? 404} No\r\nContent-Length: 0\r\n\r\n`);
      return;
    }
    const target: Socket = connect(port, "127.0.0.1", () => {
      client.write("HTTP/1.1 200 OK\r\n\r\n");
      target.write(head);
      target.pipe(client).pipe(target);
    });
    target.on("error", () => client.destroy());
    for (const socket of [client, target]) open.add(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.teardown(() => {
    for (const socket of open) socket.destroy();
    server.close();
  });
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("The egress proxy has no port.");
  const egress: Egress = { port: address.port, targets: [], authorizations: [], refuse: undefined };
  return egress;
}

t.test(
  "with an HTTPS_PROXY of its own, the proxy reaches registries, their storage and tunnels through it",
  async (t) => {
    const registry = await startRegistry(t, { names: ["registry.far.test", "storage.far.test"] });
    const site = await startRegistry(t, { names: ["site.far.test"] });
    const egress = await startEgress(t, {
      "registry.far.test:443": registry.port,
      "storage.far.test:443": registry.port,
      "site.far.test:443": site.port,
    });
    const env = { HTTPS_PROXY: `http://me:egress-secret@127.0.0.1:${egress.port}`, REGISTRIES: "registry.far.test" };
    const proxy = await startProxy(t, { env });
    const client = clientOf(t, proxy, "registry.far.test");
    const blob = registry.blob("app", uniqueBytes(100_000));
    registry.redirectBlobs({ host: "storage.far.test" });
    const pulled = { status: 200, digest: blob.digest };
    t.match(await client.hash(`/v2/app/blobs/${blob.digest}`), { ...pulled, cache: "MISS" });
    t.same(egress.targets, ["registry.far.test:443", "storage.far.test:443"]);
    t.match(await client.hash(`/v2/app/blobs/${blob.digest}`), { ...pulled, cache: "HIT" });
    t.equal(egress.targets.length, 2);

    const tunnelled = proxy.client("site.far.test", { caPem: testAuthority().caPem });
    t.equal((await tunnelled.request("/v2/")).status, 200);
    tunnelled.close();
    t.equal(egress.targets.at(-1), "site.far.test:443");
    const basic = `Basic ${Buffer.from("me:egress-secret").toString("base64")}`;
    t.same([...new Set(egress.authorizations)], [basic]);
    t.notOk(
      registry.requests.some(({ headers }) => headers["proxy-authorization"] !== undefined),
      "what is for the egress proxy stays there",
    );
    await proxy.stop();
    t.notMatch(JSON.stringify(proxy.logLines), new RegExp(`egress-secret|${basic.slice(6)}`));
  },
);

t.test("an egress proxy that refuses is named", async (t) => {
  const egress = await startEgress(t, {});
  const env = { HTTPS_PROXY: `http://me:egress-secret@127.0.0.1:${egress.port}`, REGISTRIES: "registry.far.test" };
  const proxy = await startProxy(t, { env });
  const client = clientOf(t, proxy, "registry.far.test");
  for (const status of [403, 407, 502]) {
    egress.refuse = status;
    const answer = await client.request("/v2/");
    t.equal(answer.status, 502);
    t.match(ociError(answer).message, new RegExp(`proxy.*${status}`, "i"));
    t.notMatch(answer.body.toString(), "egress-secret");
  }
  const lines = await finalLines(proxy);
  t.equal(lines.length, 3);
  t.notMatch(JSON.stringify(proxy.logLines), "egress-secret");
});

t.test("what NO_PROXY lists is reached directly", async (t) => {
  const registry = await startRegistry(t, { names: ["registry.near.test"] });
  const egress = await startEgress(t, {});
  const proxy = await startProxy(t, {
    upstreams: [registry],
    env: { HTTPS_PROXY: `http://127.0.0.1:${egress.port}`, NO_PROXY: ".near.test,127.0.0.1" },
  });
  t.equal((await clientOf(t, proxy, "registry.near.test").request("/v2/")).status, 200);
  t.same(egress.targets, []);
});
