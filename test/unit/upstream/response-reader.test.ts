import fc from "fast-check";
import t from "tap";
import { MalformedResponse, type ResponseHead, parseHead } from "../../../src/upstream/response-head.ts";
import { ResponseReader, maxHeaderSize } from "../../../src/upstream/response-reader.ts";

interface Read {
  readonly status: number | undefined;
  readonly body: string;
  readonly done: boolean;
  readonly surplus: boolean;
  readonly keepAlive: boolean | undefined;
  readonly error: string | undefined;
}

/** Reads pieces, each in the same buffer, which is spoilt before the next comes. */
function read(pieces: Iterable<string>, closed = false): Read {
  let head: ResponseHead | undefined;
  let body = "";
  const reader = new ResponseReader({
    head: (found) => {
      if (head !== undefined) throw new Error("A second head.");
      head = found;
    },
    body: (bytes) => {
      if (bytes.length === 0) throw new Error("An empty piece.");
      body += bytes.toString("latin1");
    },
  });
  const buffer = Buffer.alloc(1 << 20);
  let error: string | undefined;
  try {
    for (const piece of pieces) {
      const length = buffer.write(piece, "latin1");
      reader.feed(buffer.subarray(0, length));
      buffer.fill("!", 0, length);
    }
    if (closed) reader.end();
  } catch (thrown) {
    if (!(thrown instanceof MalformedResponse)) throw thrown;
    error = thrown.code;
  }
  const { done, surplus } = reader;
  return { status: head?.status, body, done, surplus, keepAlive: head?.keepAlive, error };
}

const ok = "HTTP/1.1 200 OK\r\n";
const chunked = `${ok}Transfer-Encoding: Chunked\r\n\r\n`;

const whole: [what: string, answer: string, expected: Partial<Read>, closed?: boolean][] = [
  ["a length", `${ok}Content-Length:5\r\n\r\n12345`, { body: "12345", done: true, keepAlive: true }],
  ["a length of none", `${ok}content-length: 0\r\n\r\n`, { body: "", done: true }],
  ["a length and garbage after it", `${ok}Content-Length: 2\r\n\r\n12HTTP/1.1`, { body: "12", surplus: true }],
  ["less than its length", `${ok}Content-Length: 5\r\n\r\n1234`, { body: "1234", done: false }, true],
  [
    "chunks",
    `${chunked}2\r\n12\r\n00A\r\n1234567890\r\n0\r\n\r\n`,
    { body: "121234567890", done: true, keepAlive: true },
  ],
  ["extensions", `${chunked}2;a=b\r\n12\r\n1 ; c="d;e"\r\n3\r\n000\r\n\r\n`, { body: "123", done: true }],
  ["trailers", `${chunked}1\r\n1\r\n0\r\nDigest: x\r\nB:\r\n\r\n`, { body: "1", done: true, keepAlive: true }],
  ["chunks and garbage after them", `${chunked}1\r\n1\r\n0\r\n\r\nx`, { body: "1", surplus: true }],
  ["chunks without an end", `${chunked}1\r\n1\r\n`, { body: "1", done: false }, true],
  [
    "a body until the close",
    `${ok}a: b\r\n\r\n12\r\n\r\n34`,
    { body: "12\r\n\r\n34", done: true, keepAlive: false },
    true,
  ],
  ["a body until a close to come", `${ok}a: b\r\n\r\n12`, { body: "12", done: false }],
  [
    "interim answers",
    `HTTP/1.1 103\r\nLink: x\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n${ok}Content-Length: 1\r\n\r\n1`,
    { status: 200, body: "1" },
  ],
  ["a 204", "HTTP/1.1 204 No Content\r\n\r\n", { status: 204, done: true, keepAlive: true }],
  [
    "a 304 with the length of what it stands for",
    "HTTP/1.1 304 Same\r\nContent-Length: 9\r\n\r\n",
    { status: 304, body: "", done: true },
  ],
  ["Connection: close", `${ok}connection: X, Close\r\ncontent-length: 1\r\n\r\n1`, { done: true, keepAlive: false }],
  ["HTTP/1.0", "HTTP/1.0 200 OK\r\ncontent-length: 1\r\n\r\n1", { body: "1", done: true, keepAlive: false }],
];

for (const [what, answer, expected, closed] of whole) {
  t.test(`${what}, cut anywhere`, async (t) => {
    const want = { error: undefined, status: 200, ...expected };
    t.match(read([answer], closed), want, "in one");
    t.match(read(answer, closed), want, "byte for byte");
    const ways = new Set<string>();
    for (let at = 1; at < answer.length; at++) {
      ways.add(JSON.stringify(read([answer.slice(0, at), answer.slice(at)], closed)));
    }
    t.same([...ways], [JSON.stringify(read([answer], closed))]);
  });
}

const huge = "x".repeat(maxHeaderSize);
const malformed: [what: string, answer: string, code: string][] = [
  ["another protocol", "SSH-2.0-x", "HPE_INVALID_CONSTANT"],
  ["HTTP/2", "HTTP/2 200\r\n\r\n", "HPE_INVALID_CONSTANT"],
  ["a status that is none", "HTTP/1.1 99 x\r\n\r\n", "HPE_INVALID_CONSTANT"],
  ["an Upgrade nobody asked for", "HTTP/1.1 101 Up\r\nUpgrade: x\r\n\r\n", "HPE_INVALID_STATUS"],
  ["two lengths", `${ok}content-length: 1\r\nContent-Length: 1\r\n\r\n1`, "HPE_UNEXPECTED_CONTENT_LENGTH"],
  ["length and chunks", `${chunked.slice(0, -2)}content-length: 1\r\n\r\n`, "HPE_UNEXPECTED_CONTENT_LENGTH"],
  ["a list of lengths", `${ok}content-length: 1, 1\r\n\r\n1`, "HPE_INVALID_CONTENT_LENGTH"],
  ["a negative length", `${ok}content-length: -1\r\n\r\n1`, "HPE_INVALID_CONTENT_LENGTH"],
  ["an empty length", `${ok}content-length:\r\n\r\n1`, "HPE_INVALID_CONTENT_LENGTH"],
  ["a length beyond counting", `${ok}content-length: 9007199254740993\r\n\r\n1`, "HPE_INVALID_CONTENT_LENGTH"],
  ["a coding nobody asked for", `${ok}transfer-encoding: gzip, chunked\r\n\r\n`, "HPE_INVALID_TRANSFER_ENCODING"],
  ["a folded field", `${ok}a: b\r\n c\r\n\r\n`, "HPE_INVALID_HEADER_TOKEN"],
  ["a space before the colon", `${ok}content-length : 1\r\n\r\n1`, "HPE_INVALID_HEADER_TOKEN"],
  ["a field without a name", `${ok}: 1\r\n\r\n1`, "HPE_INVALID_HEADER_TOKEN"],
  ["a line that is no field", `${ok}nothing\r\n\r\n1`, "HPE_INVALID_HEADER_TOKEN"],
  ["a bare LF in a field", `${ok}a: b\ncontent-length: 1\r\n\r\n1`, "HPE_INVALID_HEADER_TOKEN"],
  ["a bare CR in a field", `${ok}a: b\rc\r\n\r\n`, "HPE_INVALID_HEADER_TOKEN"],
  ["a NUL in a field", `${ok}a: \0\r\n\r\n`, "HPE_INVALID_HEADER_TOKEN"],
  ["a large head", `${ok}a: ${huge}\r\n\r\n`, "HPE_HEADER_OVERFLOW"],
  ["a head without an end", `${ok}a: ${huge}`, "HPE_HEADER_OVERFLOW"],
  ["interim answers for ever", "HTTP/1.1 100 Go\r\n\r\n".repeat(8000), "HPE_HEADER_OVERFLOW"],
  ["large trailers", `${chunked}0\r\na: ${huge}`, "HPE_HEADER_OVERFLOW"],
  ["a chunk size that is none", `${chunked}x\r\n`, "HPE_INVALID_CHUNK_SIZE"],
  ["a signed chunk size", `${chunked}+1\r\n1\r\n`, "HPE_INVALID_CHUNK_SIZE"],
  ["an empty chunk size", `${chunked}\r\n`, "HPE_INVALID_CHUNK_SIZE"],
  ["a chunk size beyond counting", `${chunked}${"f".repeat(14)}\r\n`, "HPE_INVALID_CHUNK_SIZE"],
  ["a chunk size ended by LF alone", `${chunked}1\n1\r\n`, "HPE_CR_EXPECTED"],
  ["a chunk longer than its size", `${chunked}1\r\n12\r\n`, "HPE_STRICT"],
  ["a large extension", `${chunked}1;${huge}`, "HPE_CHUNK_EXTENSIONS_OVERFLOW"],
  ["many extensions", `${chunked}${`1;${"x".repeat(999)}\r\n1\r\n`.repeat(17)}`, "HPE_CHUNK_EXTENSIONS_OVERFLOW"],
  ["a trailer that is no field", `${chunked}0\r\nnothing\r\n\r\n`, "HPE_INVALID_HEADER_TOKEN"],
];

for (const [what, answer, code] of malformed) {
  t.test(`${what} is refused`, async (t) => {
    t.equal(read([answer]).error, code);
    t.equal(read(answer).error, code, "byte for byte");
  });
}

t.test("a body comes out as it went in, whatever its framing and its cuts", async (t) => {
  const text = fc.string({
    unit: fc.integer({ min: 0, max: 255 }).map((code) => String.fromCharCode(code)),
    maxLength: 300,
  });
  const pieces = fc.array(text, { maxLength: 6 });
  const cuts = fc.array(fc.nat(2000), { maxLength: 12 });
  fc.assert(
    fc.property(pieces, cuts, fc.boolean(), text, (parts, at, inChunks, after) => {
      const body = parts.join("");
      const chunks = parts.filter((part) => part !== "").map((part) => `${part.length.toString(16)}\r\n${part}\r\n`);
      const message = inChunks
        ? `${chunked}${chunks.join("")}0\r\n\r\n`
        : `${ok}content-length: ${body.length}\r\n\r\n${body}`;
      const all = message + after;
      const ends = [...new Set(at.filter((end) => end < all.length)), all.length].toSorted((a, b) => a - b);
      const got = read(ends.map((end, index) => all.slice(ends[index - 1] ?? 0, end)));
      return got.error === undefined && got.body === body && got.done && got.surplus === (after !== "");
    }),
  );
  t.pass();
});

t.test("anything at all is either read or refused", async (t) => {
  const line = fc.constantFrom(
    "HTTP/1.1 200 OK",
    "HTTP/1.0 500",
    "content-length: 3",
    "transfer-encoding: chunked",
    "",
    "3",
    "abc",
    "0",
    "a:b",
    " ",
  );
  fc.assert(
    fc.property(fc.array(fc.tuple(line, fc.constantFrom("\r\n", "\n", "\r", "")), { maxLength: 12 }), (lines) => {
      const text = `HTTP/1.${lines.flat().join("")}`;
      return JSON.stringify(read(text)) === JSON.stringify(read([text]));
    }),
  );
  t.pass();
});

t.test("repeated fields are joined as node joins them", async (t) => {
  const { headers, rawHeaders } = parseHead(
    "HTTP/1.1 200 OK\r\nVary: a\r\nETag: 1\r\nvary:\t b \r\netag: 2\r\nSet-Cookie: x\r\nset-cookie: y\r\nconstructor: z\r\nempty:",
  );
  t.same(headers, { vary: "a, b", etag: "1", "set-cookie": ["x", "y"], constructor: "z", empty: "" });
  t.same(rawHeaders.slice(0, 6), ["Vary", "a", "ETag", "1", "vary", "b"]);
});

t.test("a receiver that has enough is told nothing more", async (t) => {
  const got: string[] = [];
  const reader = new ResponseReader({
    head: () => {},
    body: (bytes) => {
      got.push(bytes.toString());
      reader.stop();
    },
  });
  reader.feed(Buffer.from(`${chunked}1\r\n1\r\n1\r\n2\r\n`));
  reader.feed(Buffer.from("nonsense"));
  t.same(got, ["1"]);
  t.equal(reader.done, true);
});
