import { randomBytes } from "node:crypto";
import { request } from "node:https";
import t from "tap";
import type { RunningProxy } from "../../fixtures/proxy.ts";
import { digestOf } from "./client.ts";
import { hostedStage } from "./rig.ts";

const name = "team/app";

interface Answer {
  readonly status: number;
  readonly location: string;
}

/** `pieces` are written one by one; without a length the body is chunked. */
async function send(
  proxy: RunningProxy,
  method: string,
  path: string,
  pieces: readonly Buffer[],
  length?: number,
): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const sent = request({
    host: "127.0.0.1",
    port: proxy.tlsPort,
    ca: proxy.caPem,
    method,
    path,
    agent: false,
    headers: length === undefined ? {} : { "content-length": String(length) },
  });
  sent.on("error", reject);
  sent.on("response", (response) => {
    response.resume();
    response.on("end", () =>
      resolve({ status: response.statusCode ?? 0, location: String(response.headers.location) }),
    );
  });
  for (const piece of pieces) sent.write(piece);
  sent.end();
  return await promise;
}

t.test("over TLS: what is pushed in pieces of all sizes, with a length and without, is what is stored", async (t) => {
  const { client, proxy } = await hostedStage(t, { TLS_PORT: "0" });
  for (const sizes of [
    [1, 16_383, 16_384, 16_385, 65_535, 65_536, 65_537, 700_000],
    Array.from({ length: 40 }, (_, index) => 1 + ((index * 7919) % 90_000)),
    [3_000_000],
  ]) {
    const pieces = sizes.map((size) => randomBytes(size));
    const bytes = Buffer.concat(pieces);
    for (const length of [bytes.length, undefined]) {
      const { location } = await send(proxy, "POST", `/v2/${name}/blobs/uploads/`, [], 0);
      t.equal((await send(proxy, "PATCH", location, pieces, length)).status, 202);
      const put = await send(proxy, "PUT", `${location}?digest=${digestOf(bytes)}`, [], 0);
      t.equal(put.status, 201);
      t.ok((await client.request(put.location)).body.equals(bytes));
    }
  }
});
