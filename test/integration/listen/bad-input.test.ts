import t, { type Test } from "tap";
import { codeOf, dial, dialConnect, converse, secure, startRig } from "./rig.ts";

/** Says one thing, and asserts the answer, that it was recorded once, and that the process still serves. */
async function refuses(t: Test, input: string | Buffer, expected: { status: number; code: string; problem?: RegExp }) {
  const rig = await startRig(t);
  const client = await dial(rig.port);
  client.send(input);
  const answer = await client.until(/\}\n$/);
  t.match(answer, new RegExp(`^HTTP/1\\.1 ${expected.status} `));
  t.equal(codeOf(answer), expected.code);
  // Whatever still comes of it, the client being cut off included, is not told again.
  client.send("x".repeat(100));
  client.socket.end();
  t.equal(await client.ended, answer, "one answer");
  t.equal(rig.records.length, 1, "recorded once");
  t.match(rig.records[0], {
    status: expected.status,
    error: expected.code,
    client: "127.0.0.1",
    problem: expected.problem ?? /\w/,
  });
  t.equal(rig.exchanges.length, 0, "no exchange was made of it");
  await rig.stillServes();
  t.equal(rig.lines.length, 0);
}

const large = "X-Large: ".padEnd(64 * 1024, "x");
const badRequest = { status: 400, code: "BAD_REQUEST" };

const cases: [string, string | Buffer, Parameters<typeof refuses>[2]][] = [
  ["CONNECT without a port", "CONNECT registry.test HTTP/1.1\r\nHost: registry.test\r\n\r\n", badRequest],
  ["CONNECT with port 0", "CONNECT registry.test:0 HTTP/1.1\r\nHost: registry.test\r\n\r\n", badRequest],
  ["CONNECT with port 99999", "CONNECT registry.test:99999 HTTP/1.1\r\nHost: registry.test\r\n\r\n", badRequest],
  ["CONNECT to no host", "CONNECT :443 HTTP/1.1\r\nHost: registry.test\r\n\r\n", badRequest],
  ["CONNECT to a URL", "CONNECT https://registry.test/ HTTP/1.1\r\nHost: registry.test\r\n\r\n", badRequest],
  [
    "CONNECT with a body",
    "CONNECT registry.test:443 HTTP/1.1\r\nHost: registry.test\r\nContent-Length: 5\r\n\r\n",
    badRequest,
  ],
  [
    "a header line of 64 KiB",
    `GET / HTTP/1.1\r\nHost: x\r\n${large}\r\n\r\n`,
    { status: 431, code: "HEADERS_TOO_LARGE" },
  ],
  [
    "a header line of 64 KiB in a CONNECT",
    `CONNECT registry.test:443 HTTP/1.1\r\nHost: x\r\n${large}\r\n\r\n`,
    { status: 431, code: "HEADERS_TOO_LARGE" },
  ],
  [
    "10,000 headers",
    `GET / HTTP/1.1\r\nHost: x\r\n${"X-Many: 1\r\n".repeat(10_000)}\r\n`,
    { status: 431, code: "HEADERS_TOO_LARGE" },
  ],
  [
    "10,000 headers that are too short for the limit by size",
    `GET / HTTP/1.1\r\nHost: x\r\n${"a:b\r\n".repeat(10_000)}\r\n`,
    { status: 431, code: "HEADERS_TOO_LARGE" },
  ],
  [
    "10,000 short headers in a CONNECT",
    `CONNECT registry.test:443 HTTP/1.1\r\nHost: x\r\n${"a:b\r\n".repeat(10_000)}\r\n`,
    { status: 431, code: "HEADERS_TOO_LARGE" },
  ],
  [
    "Content-Length and Transfer-Encoding",
    "POST /v2/ HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n",
    badRequest,
  ],
  [
    "two different Content-Lengths",
    "POST /v2/ HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n12345",
    badRequest,
  ],
  [
    "a Transfer-Encoding that does not end in chunked",
    "POST /v2/ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n",
    badRequest,
  ],
  ["no Host", "GET / HTTP/1.1\r\n\r\n", badRequest],
  ["two Hosts", "GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", badRequest],
  ["a Host that is none", 'GET /setup/systemd HTTP/1.1\r\nHost: x" && reboot\r\n\r\n', badRequest],
  ["a fragment in the target", "GET /v2/#x HTTP/1.1\r\nHost: x\r\n\r\n", badRequest],
  ["another scheme", "GET ftp://registry.test/ HTTP/1.1\r\nHost: x\r\n\r\n", badRequest],
  ["a URL without a host", "GET http:///v2/ HTTP/1.1\r\nHost: x\r\n\r\n", badRequest],
  ["no HTTP", "SSH-2.0-OpenSSH_9.2\r\n", badRequest],
  [
    "a ClientHello at the plain port",
    Buffer.from("160301020001000000", "hex"),
    { ...badRequest, problem: /http:\/\// },
  ],
];

for (const [name, input, expected] of cases) {
  t.test(name, (t) => refuses(t, input, expected));
}

t.test("a refused client that is still sending gets its answer all the same", async (t) => {
  const rig = await startRig(t);
  const client = await dial(rig.port);
  client.socket.pause();
  client.send("CONNECT registry.test:0 HTTP/1.1\r\nHost: x\r\n\r\n");
  await rig.recorded();
  await new Promise((resolve) => client.socket.write(Buffer.alloc(8 * 1024 * 1024), resolve));
  client.socket.resume();
  t.match(await client.until(/\}\n$/), /^HTTP\/1\.1 400 /);
});

t.test("a request that ends in its middle", async (t) => {
  const rig = await startRig(t);
  const client = await dial(rig.port);
  client.send("GET / HTTP/1.1\r\nHos");
  client.socket.end();
  t.match(await client.ended, /^HTTP\/1\.1 400 /);
  t.equal(rig.records.length, 1);
  await rig.stillServes();
});

t.test("a header that never ends, and a connection on which nothing comes", async (t) => {
  const rig = await startRig(t, { timeouts: { clientHeader: 100 } });
  const silent = await dial(rig.port);
  const slow = await dial(rig.port);
  slow.send("GET / HTTP/1.1\r\nHost: x\r\n");
  t.match(await slow.ended, /^HTTP\/1\.1 408 [^]*REQUEST_TIMEOUT/);
  t.equal(await silent.ended, "", "closed without a word");
  t.match(rig.records, [{ status: 408, error: "REQUEST_TIMEOUT" }]);
  t.equal(rig.records.length, 1, "a connection that never spoke is no refusal");
  await rig.stillServes();
});

t.test("a second request after a keep-alive answer is refused the same way", async (t) => {
  const rig = await startRig(t);
  const client = converse(await secure(await dialConnect(rig.port, "registry.test:443")));
  client.send("GET /v2/ HTTP/1.1\r\nHost: registry.test\r\n\r\n");
  await client.until(/\}\r\n0\r\n\r\n/);
  client.send(
    "POST /v2/ HTTP/1.1\r\nHost: registry.test\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
  );
  t.match(await client.ended, /HTTP\/1\.1 400 [^]*BAD_REQUEST/);
  t.match(rig.records, [{ door: "connect", origin: "registry.test", status: 400 }]);
  t.equal(rig.exchanges.length, 1);
  await rig.stillServes();
});

t.test("a body that is no chunked encoding ends its exchange, and is that exchange's to log", async (t) => {
  const rig = await startRig(t);
  const client = await dial(rig.port);
  client.send("PUT /x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nnonsense\r\n\r\n");
  t.match(await client.ended, /^HTTP\/1\.1 400 /);
  t.equal(rig.exchanges[0]?.trace.error, "BAD_REQUEST");
  t.equal(rig.records.length, 0);
  await rig.stillServes();
});

t.test("CONNECT inside an intercepted connection", async (t) => {
  const rig = await startRig(t);
  const client = converse(await secure(await dialConnect(rig.port, "registry.test:443")));
  client.send("CONNECT other.test:443 HTTP/1.1\r\nHost: other.test:443\r\n\r\n");
  t.match(await client.ended, /^HTTP\/1\.1 405 [^]*METHOD_NOT_ALLOWED/);
  t.equal(rig.records.length, 1);
  await rig.stillServes();
});
