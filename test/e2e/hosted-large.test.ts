import { createHash, randomBytes } from "node:crypto";
import t, { type Test } from "tap";
import { RegistryClient } from "../integration/hosted/client.ts";
import { startProxy } from "./daemons/proxy.ts";
import { openPlace } from "./machine/place.ts";
import { skipWithout } from "./machine/programs.ts";

t.setTimeout(580_000);

const GiB = 1024 ** 3;
/** GiB; HOSTED_LARGE=1 is quicker. */
const size = Number(process.env["HOSTED_LARGE"] ?? 5) * GiB;
const piece = 1024 * 1024;
const filling = randomBytes(piece);

/** The bytes from a position to the end of its piece. Each piece begins with its number, so that none can stand for another. */
function bytesAt(position: number): Buffer {
  const bytes = Buffer.from(filling);
  bytes.writeDoubleBE(Math.floor(position / piece));
  return bytes.subarray(position % piece);
}

function digestOfAll(): string {
  const hash = createHash("sha256");
  for (let at = 0; at < size; at += piece) hash.update(bytesAt(at));
  return `sha256:${hash.digest("hex")}`;
}

/** Whatever the size of the blob: Node itself, the program, and a few buffers. */
const mostMemory = 400 * 1024 * 1024;
const name = "team/large";

await t.test(
  "a layer of 5 GiB, cut in its middle and continued, in bounded memory",
  { skip: skipWithout("setpriv") },
  async (t: Test) => {
    const place = openPlace(t);
    const proxy = await startProxy(place, { REGISTRY_STORAGE: place.folder("registry") });
    const client = new RegistryClient(proxy.port);
    place.atEnd(() => client.close());

    async function* from(first: number, cutAt: number, cut: () => void): AsyncGenerator<Buffer> {
      for (let at = first; at < size;) {
        if (at >= cutAt) cut();
        const bytes = bytesAt(at);
        at += bytes.length;
        yield bytes;
      }
    }

    const location = await client.begin(name);
    const gone = new AbortController();
    const cut = from(0, size / 2, () => gone.abort());
    await t.rejects(client.request(location, { method: "PATCH", body: cut, signal: gone.signal }));

    // An empty chunk takes the upload from the request that was cut; after that its offset stands.
    const probe = await client.request(location, { method: "PATCH", body: Buffer.alloc(0) });
    t.equal(probe.status, 202);
    const offset = Number(String(probe.headers["range"]).slice(2)) + 1;
    t.ok(offset > size / 4 && offset <= size / 2 + piece, `${offset} bytes are there`);
    const rest = from(offset, Number.POSITIVE_INFINITY, () => undefined);
    const headers = { "content-range": `${offset}-${size - 1}` };
    const patched = await client.request(location, { method: "PATCH", headers, body: rest });
    t.equal(patched.status, 202);
    t.equal(patched.headers["range"], `0-${size - 1}`);
    const digest = digestOfAll();
    const put = await client.request(`${location}?digest=${digest}`, { method: "PUT" });
    t.equal(put.status, 201, put.body.toString());
    t.ok(
      proxy.peakMemory() < mostMemory,
      `${Math.round(proxy.peakMemory() / 1024 ** 2)} MiB at most while it was pushed`,
    );

    const pulled = createHash("sha256");
    for await (const bytes of await client.open(`/v2/${name}/blobs/${digest}`)) pulled.update(bytes as Buffer);
    t.equal(`sha256:${pulled.digest("hex")}`, digest);
    t.ok(proxy.peakMemory() < mostMemory, `${Math.round(proxy.peakMemory() / 1024 ** 2)} MiB at most in all`);
  },
);
