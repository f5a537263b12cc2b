import { randomBytes } from "node:crypto";
import t, { type Test } from "tap";
import { createEvictor } from "../../../src/cache/evict.ts";
import type { DiskRecords } from "../../../src/cache/records.ts";
import { Troubles } from "../../../src/cache/trouble.ts";
import { digestOf } from "../../../src/core/digest.ts";
import { Channel } from "../../../src/workers/channel.ts";
import { Primary } from "../../../src/workers/primary.ts";
import type { PrimaryMethods, WorkerMethods } from "../../../src/workers/protocol.ts";
import { MemoryStore } from "../../fixtures/memory-store.ts";
import { recordingLog } from "../cache/log.ts";

const digest = digestOf(randomBytes(10));
const origin = "registry.test";
const head = { size: 1000, mediaType: "application/octet-stream" };

/** A primary whose workers are ends of channels in this process. `held`: what is on disk. */
async function stage(t: Test) {
  const { log } = recordingLog();
  const clock = { now: Date.now };
  const store = new MemoryStore();
  const evictor = createEvictor({
    store,
    maxSize: 1e9,
    inactive: 1e12,
    clock,
    log,
    isFlying: () => false,
    timers: { every: () => () => undefined },
  });
  t.teardown(() => evictor.stop());
  await evictor.loaded;
  const held = new Set<string>();
  const primary = new Primary(
    {
      records: {} as DiskRecords,
      store,
      evictor,
      troubles: new Troubles(log, clock),
      shapes: { get: () => Promise.resolve(undefined), put: () => Promise.resolve() },
      clock,
      credentialKey: randomBytes(32),
      tokenKey: randomBytes(32),
      isHeld: (one) => held.has(one),
      discard: () => undefined,
      figures: () => Promise.reject(new Error("Nobody asks.")),
    },
    () => 2,
  );
  const worker = (): Channel<WorkerMethods, PrimaryMethods> => {
    const attached = primary.attach((message) => end.receive(message), { sockets: [], queues: [] });
    const end = new Channel<WorkerMethods, PrimaryMethods>((message) => attached.receive(message), {} as WorkerMethods);
    return end;
  };
  return { evictor, held, leader: worker(), other: worker() };
}

t.test("who did not find what another worker has adopted meanwhile takes it from nobody's sight", async (t) => {
  const { evictor, held, leader, other } = await stage(t);
  t.match(await leader.ask("flightJoin", [digest, origin, undefined]), { as: "lead", number: 1 });
  held.add(digest);
  leader.tell("used", [[digest, 1000, Date.now()]]);
  leader.tell("flightEnded", 1, digest, { type: "landed", head, lost: undefined });
  // Looked before it was in its place, and told after.
  other.tell("missing", digest);
  t.match(await other.ask("flightJoin", [digest, origin, undefined]), { as: "landed", head });
  t.equal(evictor.bytes(), 1000);
});

t.test("what is gone from the disk counts no more, and is fetched anew", async (t) => {
  const { evictor, held, leader, other } = await stage(t);
  await leader.ask("flightJoin", [digest, origin, undefined]);
  held.add(digest);
  leader.tell("used", [[digest, 1000, Date.now()]]);
  leader.tell("flightEnded", 1, digest, { type: "landed", head, lost: undefined });
  held.delete(digest);
  other.tell("missing", digest);
  t.match(await other.ask("flightJoin", [digest, origin, undefined]), { as: "lead" });
  t.equal(evictor.bytes(), 0);
});
