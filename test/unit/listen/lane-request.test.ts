import { createServer, type IncomingMessage } from "node:http";
import { Duplex } from "node:stream";
import fc from "fast-check";
import t from "tap";
import { LaneRequests, longestRequest, readConnect } from "../../../src/listen/lane-request.ts";

interface Read {
  readonly method: string | undefined;
  readonly target: string | undefined;
  readonly headers: Record<string, string | string[] | undefined>;
}

/** What Node's own parser makes of `bytes` and a probe after them: all requests it sees, and whether it had anything to object to. */
async function parsed(bytes: Buffer): Promise<{ requests: Read[]; failed: boolean }> {
  const requests: Read[] = [];
  let failed = false;
  const note = ({ method, url, headers }: IncomingMessage): void =>
    void requests.push({ method, target: url, headers });
  const server = createServer({ requireHostHeader: false }, (request, response) => {
    note(request);
    response.end();
  });
  server.on("connect", (request: IncomingMessage, stream: Duplex) => {
    note(request);
    stream.destroy();
  });
  server.on("clientError", (_error, stream) => {
    failed = true;
    stream.destroy();
  });
  const stream = new Duplex({ read() {}, write: (_chunk, _encoding, done) => done() });
  server.emit("connection", stream);
  stream.push(bytes);
  stream.push("GET /probe HTTP/1.1\r\nHost: probe\r\nConnection: close\r\n\r\n");
  for (let turn = 0; turn < 6; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  stream.destroy();
  server.close();
  return { requests, failed };
}

const host = "registry.test";
const get = `GET /v2/app/manifests/1 HTTP/1.1\r\nHost: ${host}\r\nAccept: a/b, c/d\r\n\r\n`;
const read = (text: string | Buffer) => new LaneRequests(host).read(Buffer.from(text));

t.test("a plain request is taken, again and again", (t) => {
  const requests = new LaneRequests(host);
  const headers = { host, accept: "a/b, c/d" };
  for (let round = 0; round < 2; round += 1) {
    t.match(requests.read(Buffer.from(get)), { method: "GET", target: "/v2/app/manifests/1", headers });
    t.match(requests.read(Buffer.from(get.replace("GET", "HEAD").replace("/1 ", "/2 "))), {
      method: "HEAD",
      target: "/v2/app/manifests/2",
      headers,
    });
    t.equal(requests.read(Buffer.from(get.replace(host, "other.test"))), undefined);
  }
  t.end();
});

t.test("what was read for one connection is judged anew for another", (t) => {
  const elsewhere = get.replace(host, "other.test");
  t.match(new LaneRequests("other.test").read(Buffer.from(elsewhere)), { headers: { host: "other.test" } });
  t.equal(read(elsewhere), undefined);
  const block = `Host: ${host}\r\nProxy-Connection: close\r\n\r\n`;
  t.equal(readConnect(Buffer.from(`CONNECT ${host}:443 HTTP/1.1\r\n${block}`)), `${host}:443`);
  t.equal(read(`GET /v2/app/manifests/1 HTTP/1.1\r\n${block}`), undefined);
  t.end();
});

t.test("Connection: keep-alive says nothing new", (t) => {
  t.match(read(get.replace("Accept", "Connection: keep-alive\r\nAccept")), { method: "GET" });
  t.equal(read(get.replace("Accept", "Connection: keep-alive, accept\r\nAccept")), undefined);
  t.end();
});

t.test("whatever another parser could see otherwise is not taken", (t) => {
  const before = "\r\n\r\n";
  const cases: Record<string, string> = {
    "another method": get.replace("GET", "POST"),
    "lower case": get.replace("GET", "get"),
    "HTTP/1.0": get.replace("HTTP/1.1", "HTTP/1.0"),
    "two spaces": get.replace("GET ", "GET  "),
    "absolute form": get.replace("/v2", `http://${host}/v2`),
    "a fragment": get.replace("/1 ", "/1#x "),
    "two slashes": get.replace("/v2", "//v2"),
    "a body": `${get}x`,
    "two requests": get + get,
    "half a request": get.slice(0, -1),
    "no fields": "GET / HTTP/1.1\r\n\r\n",
    "line feeds": get.replaceAll("\r\n", "\n"),
    "one line feed": get.replace(`${host}\r\n`, `${host}\n`),
    "an empty line before": `\r\n${get}`,
    "a folded field": get.replace(before, `\r\n x${before}`),
    "a space before the colon": get.replace("Accept:", "Accept :"),
    "no space after it": get.replace("Accept: ", "Accept:"),
    "a trailing space": get.replace(before, ` ${before}`),
    "a tab": get.replace("a/b, ", "a/b,\t"),
    "a control character": get.replace("a/b", "a\u0001b"),
    "obs-text": get.replace("a/b", "a\u00e9b"),
    "a null": get.replace("a/b", "a\u0000b"),
    "another Host": get.replace(host, "other.test"),
    "a Host in other letters": get.replace(host, "Registry.test"),
    "two Hosts": get.replace("Accept", "host"),
    "a field twice": get.replace(before, `\r\naccept: x${before}`),
    "no Host": get.replace(`Host: ${host}\r\n`, ""),
    "too long": get.replace("a/b", "a".repeat(longestRequest)),
    "too many fields": get.replace(before, `${Array.from({ length: 64 }, (_, n) => `\r\nx${n}: 1`).join("")}${before}`),
  };
  for (const name of ["Content-Length", "Transfer-Encoding", "Expect", "Upgrade", "Connection", "TE", "Trailer"]) {
    cases[name] = get.replace(before, `\r\n${name}: 0${before}`);
  }
  for (const [name, text] of Object.entries(cases)) t.equal(read(Buffer.from(text, "latin1")), undefined, name);
  t.end();
});

t.test("CONNECT: one in plain form", (t) => {
  const connect = "CONNECT registry.test:443 HTTP/1.1\r\nHost: registry.test:443\r\n\r\n";
  const target = (text: string): string | undefined => readConnect(Buffer.from(text, "latin1"));
  t.equal(target(connect), "registry.test:443");
  t.equal(target(connect.replace("\r\n\r\n", "\r\nProxy-Connection: keep-alive\r\n\r\n")), "registry.test:443");
  t.equal(target(`${connect}\u0016`), undefined, "what comes with it");
  t.equal(target(connect.replace("CONNECT registry.test:443", "CONNECT registry.test")), undefined);
  t.equal(target(connect.replace("registry.test:443 ", "user@registry.test:443 ")), undefined);
  t.equal(target(connect.replace("\r\n\r\n", "\r\nContent-Length: 5\r\n\r\n")), undefined);
  t.equal(target(connect.replace("\r\n\r\n", "\r\nTransfer-Encoding: chunked\r\n\r\n")), undefined);
  t.end();
});

/** Requests that are nearly of the form, and what breaks it in every place. */
const odd = fc.constantFrom(
  "",
  " ",
  "\t",
  "\r",
  "\n",
  "\r\n",
  "\0",
  ":",
  "x",
  "\u00e9",
  "\u0080",
  "chunked",
  "0",
  ",",
  '"',
  "\r\n ",
  "\r\n\r\n",
);
const name = fc.constantFrom(
  "Accept",
  "User-Agent",
  "Content-Length",
  "Transfer-Encoding",
  "Connection",
  "Upgrade",
  "X-A",
  "x-b",
  "Host",
  "Cookie",
  "",
);
const value = fc.oneof(
  fc.constantFrom("a", "5", "chunked", "keep-alive", "close", "a, b", host),
  fc.string({ maxLength: 6 }),
);
const field = fc.tuple(
  name,
  fc.constantFrom(": ", ":", " : ", ":  "),
  value,
  odd,
  fc.constantFrom("\r\n", "\r\n", "\r\n", "\n"),
);
const plainField = fc.tuple(
  fc.stringMatching(/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,8}$/),
  fc.constant(": "),
  fc.stringMatching(/^[\x21-\x7e]([\x20-\x7e]{0,8}[\x21-\x7e])?$/),
  fc.constant(""),
  fc.constant("\r\n"),
);
function oftenFrom(usual: readonly string[], unusual: readonly string[]): fc.Arbitrary<string> {
  return fc.oneof(
    { weight: 12, arbitrary: fc.constantFrom(...usual) },
    { weight: 1, arbitrary: fc.constantFrom(...unusual) },
  );
}

const target = fc.oneof(
  { weight: 8, arbitrary: fc.stringMatching(/^\/[A-Za-z0-9._~/:@!$&'()*+,;=?%-]{0,20}$/) },
  { weight: 1, arbitrary: fc.string({ maxLength: 8 }) },
  { weight: 1, arbitrary: fc.constantFrom("*", "http://a/b", "//a/b") },
);
const message = fc
  .record({
    method: oftenFrom(["GET", "HEAD"], ["POST", "CONNECT", "get"]),
    target,
    version: oftenFrom([" HTTP/1.1\r\n"], [" HTTP/1.0\r\n", " HTTP/1.1\n", "\r\n"]),
    host: oftenFrom([`Host: ${host}\r\n`, `host: ${host}\r\n`], [`Host:${host}\r\n`, ""]),
    fields: fc.array(fc.oneof({ weight: 12, arbitrary: plainField }, { weight: 1, arbitrary: field }), {
      maxLength: 4,
    }),
    end: fc.oneof({ weight: 8, arbitrary: fc.constant("\r\n") }, { weight: 1, arbitrary: odd }),
  })
  .map(({ method, target: path, version, host: hostLine, fields, end }) =>
    Buffer.from(
      `${method} ${path}${version}${hostLine}${fields.map((parts) => parts.join("")).join("")}${end}`,
      "latin1",
    ),
  );

t.test("what the lane takes, Node's parser takes with the same meaning, and nothing is left over", async (t) => {
  let taken = 0;
  await fc.assert(
    fc.asyncProperty(message, async (bytes) => {
      const request = read(bytes);
      if (request === undefined) return;
      taken += 1;
      const { requests, failed } = await parsed(bytes);
      t.notOk(failed, "no objection");
      t.equal(requests.length, 2, JSON.stringify(bytes.toString("latin1")));
      t.strictSame(
        { ...requests[0], headers: { ...requests[0]?.headers } },
        { ...request, headers: { ...request.headers } },
      );
      t.equal(requests[1]?.target, "/probe");
      if (!t.passing()) throw new Error("They differ.");
    }),
    { numRuns: 3000 },
  );
  t.ok(taken > 100, `${taken} were taken`);
});

t.test("likewise for CONNECT", async (t) => {
  const fields = fc.array(fc.oneof({ weight: 12, arbitrary: plainField }, { weight: 1, arbitrary: field }), {
    maxLength: 3,
  });
  const authority = fc.oneof(
    { weight: 8, arbitrary: fc.stringMatching(/^[a-z0-9.-]{1,10}:[0-9]{1,5}$/) },
    { weight: 1, arbitrary: fc.string({ maxLength: 8 }) },
  );
  let taken = 0;
  await fc.assert(
    fc.asyncProperty(authority, fields, odd, async (to, lines, tail) => {
      const end = taken % 2 === 0 ? "\r\n" : `\r\n${tail}`;
      const text = `CONNECT ${to} HTTP/1.1\r\nHost: x\r\n${lines.map((parts) => parts.join("")).join("")}${end}`;
      const bytes = Buffer.from(text, "latin1");
      const read = readConnect(bytes);
      if (read === undefined) return;
      taken += 1;
      const { requests, failed } = await parsed(bytes);
      t.notOk(failed, "no objection");
      t.match(requests, [{ method: "CONNECT", target: read }], JSON.stringify(text));
      if (!t.passing()) throw new Error("They differ.");
    }),
    { numRuns: 2000 },
  );
  t.ok(taken > 100, `${taken} were taken`);
});
