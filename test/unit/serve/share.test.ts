import t from "tap";
import { portionOf, Share } from "../../../src/serve/share.ts";

const KiB = 1024;

t.test("the more streams, the less each holds", (t) => {
  t.same(portionOf(0), { piece: 256 * KiB, ahead: true });
  t.same(portionOf(32), { piece: 256 * KiB, ahead: true });
  t.same(portionOf(33), { piece: 256 * KiB, ahead: false });
  t.same(portionOf(64), { piece: 256 * KiB, ahead: false });
  t.same(portionOf(65), { piece: 128 * KiB, ahead: false });
  t.same(portionOf(129), { piece: 64 * KiB, ahead: false });
  t.same(portionOf(100_000), { piece: 64 * KiB, ahead: false });
  t.end();
});

t.test("all of them together hold no more than the budget, until pieces are at their smallest", (t) => {
  for (let streams = 1; streams <= 256; streams += 1) {
    const { piece, ahead } = portionOf(streams);
    t.ok(streams * piece * (ahead ? 2 : 1) <= 16 * 1024 * KiB, `${streams} streams`);
  }
  t.end();
});

t.test("who leaves makes room", (t) => {
  const share = new Share();
  for (let streams = 0; streams < 65; streams += 1) share.join();
  t.same(share.portion, portionOf(65));
  share.leave();
  t.same(share.portion, portionOf(64));
  t.end();
});
