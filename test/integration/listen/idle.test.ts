import t from "tap";
import { until } from "../stage.ts";
import { codeOf, converse, dial, dialConnect, secure, startRig } from "./rig.ts";

t.test("a body that stands still gets 408, and its exchange knows why", async (t) => {
  const rig = await startRig(t, { timeouts: { clientBody: 100 } });
  const client = converse(await secure(await dialConnect(rig.port, "registry.test:443")));
  client.send("PUT /v2/x HTTP/1.1\r\nHost: registry.test\r\nContent-Length: 10\r\n\r\nabc");
  const answer = await client.ended;
  t.match(answer, /^HTTP\/1\.1 408 /);
  t.equal(codeOf(answer), "REQUEST_TIMEOUT");
  t.match(rig.exchanges[0]?.trace, { error: "REQUEST_TIMEOUT", status: 408 });
  t.same(rig.records, [], "it is the exchange's line");
  await rig.stillServes();
});

t.test("a slow body is no idle one, however long it takes in all", async (t) => {
  // The timer runs at the shorter limit, and the test lets it run out: twice between two bytes, where the third time would be the end.
  const rig = await startRig(t, { timeouts: { send: 20_000, clientBody: 60_000 } });
  const client = await dial(rig.port);
  client.send("PUT /x HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n");
  const { socket } = (await until(() => rig.exchanges[0])).request;
  const timer = (times: number): void => {
    for (let time = 0; time < times; time += 1) socket.emit("timeout");
  };
  for (let sent = 0; sent < 9; sent += 1) {
    timer(2);
    const before = socket.bytesRead;
    client.send("a");
    await until(() => socket.bytesRead > before);
  }
  timer(2);
  client.send("a");
  t.match(await client.until(/"body":"a+"/), /"body":"aaaaaaaaaa"/);
  client.send("PUT /x HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\na");
  await until(() => rig.exchanges[1]);
  timer(3);
  t.match(await client.ended, / 408 /, "the timer that the test lets run out is the one that counts");
});

t.test("a body that has come, and waits for a slow reader, keeps nobody waiting", async (t) => {
  const rig = await startRig(t, {
    timeouts: { clientBody: 150 },
    parts: {
      own: async ({ request, response }) => {
        const sendMore = async (text: string, waiting: number): Promise<void> => {
          client.send(text);
          while (request.readableLength < waiting) await new Promise((resolve) => setImmediate(resolve));
        };
        let body = "";
        for await (const chunk of request) {
          if (body === "") {
            await sendMore("def", 3);
            await new Promise((resolve) => setTimeout(resolve, 400));
            await sendMore("ghi", 6);
          }
          body += String(chunk);
        }
        response.end(`got ${body}`);
      },
    },
  });
  const client = await dial(rig.port);
  client.send("PUT /x HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc");
  t.match(await client.until(/got /), / 200 [^]*got abcdefghi/);
});

t.test("a client that waits for its 100, or whose body nobody reads yet, keeps nobody waiting", async (t) => {
  const rig = await startRig(t, {
    timeouts: { clientBody: 50, send: 50 },
    parts: {
      own: async ({ response }) => {
        setTimeout(() => response.end("at last"), 300);
      },
    },
  });
  const waiting = await dial(rig.port);
  waiting.send("PUT /x HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\nExpect: 100-continue\r\n\r\n");
  const unread = await dial(rig.port);
  unread.send("PUT /x HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc");
  const plain = await dial(rig.port);
  plain.send("GET /x HTTP/1.1\r\nHost: x\r\n\r\n");
  for (const client of [waiting, unread, plain]) t.match(await client.until(/at last/), / 200 /);
});

t.test("a client that takes nothing of its answer is cut off", async (t) => {
  const rig = await startRig(t, {
    timeouts: { send: 100 },
    parts: {
      registry: async ({ response }) => {
        response.end(Buffer.alloc(32 * 1024 * 1024));
      },
    },
  });
  const tls = await secure(await dialConnect(rig.port, "registry.test:443"));
  tls.pause();
  tls.write("GET /v2/ HTTP/1.1\r\nHost: registry.test\r\n\r\n");
  while (rig.listener.connections() > 0) await new Promise((resolve) => setTimeout(resolve, 10));
  await rig.stillServes();
  tls.destroy();
});

t.test("an idle connection is closed after the keep-alive time, and after each answer where that is 0", async (t) => {
  const rig = await startRig(t, { timeouts: { keepAlive: 50, send: 20 } });
  const client = await dial(rig.port);
  client.send("GET /x HTTP/1.1\r\nHost: x\r\n\r\n");
  t.match(await client.ended, /Connection: keep-alive/);
  const none = await startRig(t, { timeouts: { keepAlive: 0 } });
  const once = await dial(none.port);
  once.send("GET /x HTTP/1.1\r\nHost: x\r\n\r\n");
  t.match(await once.ended, /Connection: close/);
});
