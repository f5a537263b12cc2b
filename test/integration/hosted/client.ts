import { createHash, randomBytes } from "node:crypto";
import { Agent, type IncomingMessage, request as httpRequest } from "node:http";
import { finished } from "node:stream/promises";
import type { Received, RequestOptions } from "../../fixtures/proxy-client.ts";

export const manifestType = "application/vnd.oci.image.manifest.v1+json";
export const indexType = "application/vnd.oci.image.index.v1+json";
/** OCI image 1.1, "Guidance for an Empty Descriptor". */
export const emptyType = "application/vnd.oci.empty.v1+json";

/** A client of the registry that speaks to the proxy's own address. */
export class RegistryClient {
  readonly #port: number;
  readonly #agent = new Agent({ keepAlive: true });

  constructor(port: number) {
    this.#port = port;
  }

  close(): void {
    this.#agent.destroy();
  }

  /** Sends a request, and gives the answer once its header has come. */
  async open(
    path: string,
    { method = "GET", headers = {}, body, signal }: RequestOptions = {},
  ): Promise<IncomingMessage> {
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
    const sent = httpRequest({
      agent: this.#agent,
      host: "127.0.0.1",
      port: this.#port,
      method,
      path,
      headers: { ...(body instanceof Uint8Array && { "content-length": String(body.length) }), ...headers },
      ...(signal && { signal }),
    });
    sent.on("error", reject);
    sent.on("response", resolve);
    if (body === undefined || body instanceof Uint8Array) {
      sent.end(body);
      return await promise;
    }
    for await (const piece of body) {
      if (!sent.write(piece)) await Promise.race([new Promise((done) => sent.once("drain", done)), promise]);
    }
    sent.end();
    return await promise;
  }

  /** The whole answer, in memory. */
  async request(path: string, options: RequestOptions = {}): Promise<Received> {
    const response = await this.open(path, options);
    const pieces: Buffer[] = [];
    response.on("data", (piece: Buffer) => pieces.push(piece));
    await finished(response).catch(() => undefined);
    const { statusCode: status = 0, headers, complete } = response;
    return { status, headers, body: Buffer.concat(pieces), complete };
  }

  /** Begins an upload; gives its location. */
  async begin(name: string): Promise<string> {
    const { status, headers } = await this.request(`/v2/${name}/blobs/uploads/`, { method: "POST" });
    if (status !== 202) throw new Error(`POST was answered with ${status}.`);
    return String(headers["location"]);
  }

  /** By POST and PUT. Gives the digest. */
  async pushBlob(name: string, bytes: Buffer): Promise<string> {
    const digest = digestOf(bytes);
    const location = await this.begin(name);
    const { status, body } = await this.request(`${location}?digest=${digest}`, { method: "PUT", body: bytes });
    if (status !== 201) throw new Error(`PUT was answered with ${status}: ${body.toString()}`);
    return digest;
  }

  async putManifest(name: string, reference: string, manifest: unknown, type = manifestType): Promise<Received> {
    const body = Buffer.isBuffer(manifest) ? manifest : Buffer.from(JSON.stringify(manifest));
    const headers = { "content-type": type };
    return await this.request(`/v2/${name}/manifests/${reference}`, { method: "PUT", headers, body });
  }

  /** A manifest of two blobs, which are pushed first. */
  async pushImage(name: string, tag: string, extra: Readonly<Record<string, unknown>> = {}): Promise<PushedImage> {
    const layer = randomBytes(1000);
    const config = randomBytes(100);
    const blobs = [await this.pushBlob(name, config), await this.pushBlob(name, layer)];
    const bytes = Buffer.from(JSON.stringify({ ...imageManifest(config, [layer]), ...extra }));
    const { status, body } = await this.putManifest(name, tag, bytes);
    if (status !== 201) throw new Error(`PUT of the manifest was answered with ${status}: ${body.toString()}`);
    return { digest: digestOf(bytes), bytes, blobs };
  }
}

export interface PushedImage {
  readonly digest: string;
  readonly bytes: Buffer;
  /** Config and layer. */
  readonly blobs: readonly string[];
}

export function digestOf(bytes: Uint8Array, algorithm = "sha256"): string {
  return `${algorithm}:${createHash(algorithm).update(bytes).digest("hex")}`;
}

export function descriptor(bytes: Uint8Array, mediaType: string): Record<string, unknown> {
  return { mediaType, digest: digestOf(bytes), size: bytes.length };
}

export function imageManifest(config: Uint8Array, layers: readonly Uint8Array[]): Record<string, unknown> {
  return {
    schemaVersion: 2,
    mediaType: manifestType,
    config: descriptor(config, "application/vnd.oci.image.config.v1+json"),
    layers: layers.map((layer) => descriptor(layer, "application/vnd.oci.image.layer.v1.tar")),
  };
}
