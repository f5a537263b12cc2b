import type { RunningProxy } from "../../fixtures/proxy.ts";
import type { ProxyClient } from "../../fixtures/proxy-client.ts";
import { connectThrough, RawSocket } from "../../fixtures/raw-socket.ts";
import { hub } from "../stage.ts";

export const allowed = { env: { ALLOW_PUSH: "true" } };
export const uploads = "/v2/library/app/blobs/uploads/";

/** A path on the same host, as a client makes one of a Location (RFC 9110 §10.2.2). */
export function pathOf(location: unknown): string {
  const url = new URL(String(location), `https://${hub}`);
  if (url.host !== hub || url.protocol !== "https:") throw new Error(`A client cannot go on at ${url.origin}.`);
  return url.pathname + url.search;
}

export const withDigest = (path: string, digest: string): string =>
  `${path}${path.includes("?") ? "&" : "?"}digest=${digest}`;

/** Begins an upload and gives the path to go on at. */
export async function begin(client: ProxyClient): Promise<string> {
  const started = await client.request(uploads, { method: "POST" });
  if (started.status !== 202) throw new Error(`The upload was answered with ${started.status}.`);
  return pathOf(started.headers["location"]);
}

/** A connection to Docker Hub through the proxy on which a test says what it wants. */
export async function raw(proxy: RunningProxy): Promise<RawSocket> {
  return new RawSocket(await connectThrough({ proxyPort: proxy.port, host: hub, caPem: proxy.caPem }));
}

/** One chunk of a chunked body (RFC 9112 §7.1). */
export const chunk = (bytes: Buffer): Buffer =>
  Buffer.concat([Buffer.from(`${bytes.length.toString(16)}\r\n`), bytes, Buffer.from("\r\n")]);
