import { createServer, get, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";
import t, { type Test } from "tap";
import type { Body, PullCallback } from "../../../src/core/body.ts";
import { MemoryBody } from "../../../src/core/memory-body.ts";
import { Exchange } from "../../../src/serve/exchange.ts";
import { sendBody } from "../../../src/serve/write.ts";

/** A body whose pulls the test answers; counts what is out at once. */
class ScriptedBody implements Body {
  readonly size: number | undefined;
  readonly pulls: { position: number; limit: number; done: PullCallback }[] = [];
  closed = 0;
  held = 0;
  mostHeld = 0;
  readonly #onPull: (body: ScriptedBody) => void;

  constructor(size: number | undefined, onPull: (body: ScriptedBody) => void = () => undefined) {
    this.size = size;
    this.#onPull = onPull;
  }

  pull(position: number, limit: number, done: PullCallback): void {
    this.pulls.push({ position, limit, done });
    this.#onPull(this);
  }

  answer(bytes: Buffer | Error): void {
    const next = this.pulls.shift();
    if (next === undefined) throw new Error("no pull is under way");
    if (bytes instanceof Error) {
      next.done(bytes, [], () => undefined);
      return;
    }
    this.held += 1;
    this.mostHeld = Math.max(this.mostHeld, this.held);
    next.done(undefined, bytes.length === 0 ? [] : [bytes], () => (this.held -= 1));
  }

  close(): void {
    this.closed += 1;
  }
}

interface Served {
  readonly response: IncomingMessage;
  readonly sent: Promise<void>;
  readonly exchange: Exchange;
}

async function serve(t: Test, body: Body, size: number | undefined): Promise<Served> {
  let began: (value: Omit<Served, "response">) => void = () => undefined;
  const started = new Promise<Omit<Served, "response">>((resolve) => (began = resolve));
  const server = createServer((request, response) => {
    const exchange = new Exchange(request, response, {
      door: "origin",
      origin: undefined,
      target: "/",
      client: "127.0.0.1",
    });
    const sent = sendBody(exchange, 200, size === undefined ? {} : { "content-length": size }, body, undefined);
    sent.catch(() => undefined);
    began({ exchange, sent });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    get({ port, host: "127.0.0.1", agent: false }, resolve).once("error", reject);
  });
  return { response, ...(await started) };
}

t.test("a body in memory is sent whole", async (t) => {
  const bytes = Buffer.from("a manifest");
  const { response, sent, exchange } = await serve(t, new MemoryBody(bytes), bytes.length);
  t.ok(bytes.equals(await buffer(response)));
  await sent;
  t.equal(exchange.trace.bytes, bytes.length);
});

t.test("two buffers a stream at the most, however slow the client", async (t) => {
  const piece = Buffer.alloc(1024 * 1024, 1);
  const size = piece.length * 20;
  let most = 0;
  const body = new ScriptedBody(size, (self) => {
    const limit = self.pulls[0]?.limit ?? 0;
    most = Math.max(most, limit);
    setImmediate(() => self.answer(piece.subarray(0, limit)));
  });
  const { response, sent } = await serve(t, body, size);
  const whole = await buffer(response);
  await sent;
  t.equal(whole.length, size);
  t.ok(body.mostHeld <= 2, `at most two pieces out (${body.mostHeld})`);
  t.equal(most, 256 * 1024, "bytes of a piece");
  t.equal(body.held, 0, "every piece was released");
  t.equal(body.closed, 1);
});

t.test("a body that fails midway cuts the connection", async (t) => {
  const body = new ScriptedBody(1_000_000, (self) => {
    const first = self.pulls[0]?.position === 0;
    setImmediate(() => self.answer(first ? Buffer.alloc(500_000) : new Error("the flight failed")));
  });
  const { response, sent } = await serve(t, body, 1_000_000);
  await t.rejects(buffer(response), { code: "ECONNRESET" }, "the client sees that it is not whole");
  await t.rejects(sent, { message: "the flight failed" });
  t.equal(body.closed, 1);
});

t.test("a body that ends early is never taken for whole", async (t) => {
  const body = new ScriptedBody(1_000_000, (self) => {
    const first = self.pulls[0]?.position === 0;
    setImmediate(() => self.answer(first ? Buffer.alloc(999_999) : Buffer.alloc(0)));
  });
  const { response, sent } = await serve(t, body, 1_000_000);
  await t.rejects(buffer(response), { code: "ECONNRESET" });
  await t.rejects(sent, { code: "CACHE_IO" });
});

t.test("a body of unknown size ends where it ends", async (t) => {
  const body = new ScriptedBody(undefined, (self) => {
    const first = self.pulls[0]?.position === 0;
    setImmediate(() => self.answer(first ? Buffer.from("all of it") : Buffer.alloc(0)));
  });
  const { response, sent } = await serve(t, body, undefined);
  t.equal((await buffer(response)).toString(), "all of it");
  await sent;
  t.equal(body.closed, 1);
});

t.test("a client that goes away gives the body back", async (t) => {
  const body = new ScriptedBody(10_000_000, (self) => setImmediate(() => self.answer(Buffer.alloc(512 * 1024))));
  const { response, sent } = await serve(t, body, 10_000_000);
  response.destroy();
  await t.rejects(sent, { code: "CANCELLED" });
  t.equal(body.closed, 1);
});

t.test("among many streams each holds less, and as much as before when they have left", async (t) => {
  const size = 2 * 1024 * 1024;
  const measured = async (): Promise<{ limit: number; mostHeld: number }> => {
    let limit = 0;
    const body = new ScriptedBody(size, (self) => {
      const [pull] = self.pulls;
      if (pull === undefined) return;
      limit = Math.max(limit, pull.limit);
      setImmediate(() => self.answer(Buffer.alloc(pull.limit)));
    });
    const { response, sent } = await serve(t, body, size);
    t.equal((await buffer(response)).length, size);
    await sent;
    return { limit, mostHeld: body.mostHeld };
  };
  const waiting = await Promise.all(Array.from({ length: 64 }, () => serve(t, new ScriptedBody(size), size)));
  t.same(await measured(), { limit: 128 * 1024, mostHeld: 1 });
  for (const { response } of waiting) response.destroy();
  await Promise.allSettled(waiting.map(({ sent }) => sent));
  const { limit } = await measured();
  t.equal(limit, 256 * 1024);
});
