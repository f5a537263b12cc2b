import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { pino } from "pino";
import t, { type Test } from "tap";
import { Reservation } from "../../../src/listen/reservation.ts";

const log = pino({ level: "silent" });
const anywhere = { hosts: ["127.0.0.1"], ports: [0], tlsPorts: [] };

async function open(t: Test, ...given: Parameters<typeof Reservation.open>): Promise<Reservation> {
  const reservation = await Reservation.open(...given);
  t.teardown(() => reservation.release());
  return reservation;
}

const descriptors = ({ sockets }: Reservation): number[] => sockets.map(({ fd }) => fd);

t.test("a socket for each queue at each place, and none of them takes connections", async (t) => {
  const reservation = await open(t, { ...anywhere, tlsPorts: [0] }, 3, log);
  t.equal(reservation.queues, 3);
  t.same(
    reservation.sockets.map(({ tls, queue }) => [tls, queue]),
    [false, true].flatMap((tls) => [0, 1, 2].map((queue) => [tls, queue])),
  );
  t.equal(new Set(descriptors(reservation)).size, 6);
});

t.test(
  "what stays in a new configuration keeps its sockets and its port, with more queues but never fewer",
  async (t) => {
    const first = await open(t, anywhere, 2, log);
    const more = await open(t, { ...anywhere, tlsPorts: [0] }, 3, log, first);
    t.same(descriptors(more).slice(0, 2), descriptors(first));
    first.release(more);
    t.same(
      more.sockets.map(({ queue }) => queue),
      [0, 1, 2, 0, 1, 2],
    );
    const fewer = await open(t, anywhere, 1, log, more);
    t.same(descriptors(fewer), descriptors(more).slice(0, 3));
    more.release(fewer);
    t.equal(fewer.queues, 3);
    const elsewhere = await open(t, { ...anywhere, hosts: ["127.0.0.2"] }, 1, log, fewer);
    t.equal(elsewhere.queues, 3, "whoever has several queues has them at every place");
    t.ok(descriptors(elsewhere).every((fd) => !descriptors(fewer).includes(fd)));
  },
);

t.test("what could not be opened takes nothing away from what there was", async (t) => {
  const other = createServer().listen(0, "127.0.0.1");
  await once(other, "listening");
  t.teardown(() => other.close());
  const { port } = other.address() as AddressInfo;
  const first = await open(t, anywhere, 2, log);
  const before = descriptors(first);
  await t.rejects(Reservation.open({ ...anywhere, ports: [0, port] }, 2, log, first), {
    code: "CONFIG_INVALID",
    message: new RegExp(`^PORT: ${port} on 127\\.0\\.0\\.1 is taken`),
  });
  t.same(descriptors(first), before, "none of them is closed");
  t.same(descriptors(await open(t, anywhere, 2, log, first)), before);
});

t.test("a name of this machine, and an address that is not this machine's", async (t) => {
  const named = await open(t, { ...anywhere, hosts: ["localhost"] }, 2, log);
  t.equal(named.sockets.length, 2);
  await t.rejects(Reservation.open({ ...anywhere, hosts: ["192.0.2.1"] }, 2, log), { message: /^HOST: 192\.0\.2\.1 / });
});
