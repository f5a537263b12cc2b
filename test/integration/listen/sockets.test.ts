import { createServer, type AddressInfo } from "node:net";
import { networkInterfaces } from "node:os";
import { once } from "node:events";
import t from "tap";
import { startRig, dial } from "./rig.ts";

const hasIPv6 = Object.values(networkInterfaces()).some((list) => list?.some(({ address }) => address === "::1"));

t.test("a port that is taken names the option, and leaves nothing open", async (t) => {
  const other = createServer().listen(0, "127.0.0.1");
  await once(other, "listening");
  t.after(() => other.close());
  const { port } = other.address() as AddressInfo;
  await t.rejects(startRig(t, { listen: { ports: [0, port], tlsPorts: [] } }), {
    code: "CONFIG_INVALID",
    message: new RegExp(`^PORT: ${port} on 127\\.0\\.0\\.1 is taken`),
  });
  await t.rejects(startRig(t, { listen: { tlsPorts: [port] } }), { code: "CONFIG_INVALID", message: /^TLS_PORT: / });
});

t.test("an address that is not this machine's names the option", async (t) => {
  await t.rejects(startRig(t, { listen: { hosts: ["192.0.2.1"] } }), { code: "CONFIG_INVALID", message: /^HOST: 192/ });
});

t.test("several ports, and their clients' own addresses", async (t) => {
  const rig = await startRig(t, { listen: { ports: [0, 0], hosts: ["127.0.0.1", "127.0.0.2"], tlsPorts: [] } });
  await rig.stillServes();
  t.equal(rig.exchanges[0]?.arrival.client, "127.0.0.1");
});

t.test("a client of IPv4 on a socket of both families has its IPv4 address", { skip: !hasIPv6 }, async (t) => {
  const rig = await startRig(t, { listen: { hosts: ["::"], tlsPorts: [] } });
  const client = await dial(rig.port);
  client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  t.match(await client.until(/\}\r\n/), /"client":"127\.0\.0\.1"/);
});

t.test("both families on one port", { skip: !hasIPv6 }, async (t) => {
  const free = createServer().listen(0, "127.0.0.1");
  await once(free, "listening");
  const { port } = free.address() as AddressInfo;
  await new Promise((resolve) => free.close(resolve));
  const rig = await startRig(t, { listen: { hosts: ["127.0.0.1", "::1"], ports: [port], tlsPorts: [] } });
  t.equal(rig.port, port);
  await rig.stillServes();
});
