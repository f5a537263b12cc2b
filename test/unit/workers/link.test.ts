import t from "tap";
import { Link } from "../../../src/workers/link.ts";

t.test("queues that a worker is told to adopt before it is ready are adopted when it is", async (t) => {
  let receive: (message: unknown) => void = () => undefined;
  const link = new Link({
    send: () => undefined,
    onMessage: (listener) => (receive = listener),
    onClose: () => undefined,
  });
  receive(["tell", "adopt", [[1]]]);
  receive(["tell", "adopt", [[2]]]);
  const adopted: number[] = [];
  link.ready([], {
    figures: () => Promise.reject(new Error("Nobody asks.")),
    adopt: (queues) => void adopted.push(...queues),
    stop: () => undefined,
  });
  t.same(adopted, [1, 2]);
  receive(["tell", "adopt", [[3]]]);
  t.same(adopted, [1, 2, 3]);
});
