import { Transform, type Readable } from "node:stream";
import type { CacheRecord, Records, Store } from "../cache/types.ts";
import { algorithmOf, type Digest, digestOf, parseDigest } from "../core/digest.ts";
import { first } from "../core/headers.ts";
import { blobMediaType } from "../core/media-types.ts";
import type { Origin } from "../core/origin.ts";
import type { RegistryRequest } from "../core/request.ts";
import type { UpstreamResponse } from "../upstream/types.ts";
import type { Access } from "./access.ts";
import { type Content, contentKey } from "./content.ts";
import type { Exchange } from "./exchange.ts";
import { OpenUploads, type OpenUploadsOptions, uploadKey } from "./open-uploads.ts";
import type { TagRecords } from "./tag-records.ts";
import { UploadState } from "./upload-state.ts";

export interface PushKeeperParts extends OpenUploadsOptions {
  readonly store: Store;
  readonly records: Records;
  readonly tagRecords: TagRecords;
  readonly access: Pick<Access, "fetched">;
  readonly content: Pick<Content, "noteReferences">;
  readonly clock: { now(): number };
}

/** What sees one request of a push go by. */
export interface PushWatch {
  /** The request's body on its way, at the pace of the slower of its receiver and the disk. */
  through(body: Readable): Readable;
  /** To be called with the registry's answer, before the client has it. Never rejects. `location`: as the client is told. */
  answered(response: UpstreamResponse, location: string | undefined): Promise<void>;
  /** To be called in the end, whatever became of it. */
  end(): void;
}

/** A manifest that is larger is not kept; OCI distribution 1.1 §"Pushing Manifests" asks registries for 4 MiB. Bytes. */
const largestManifest = 4 * 1024 * 1024;

/**
 * CACHE_ON_PUSH: keeps what is pushed through, once its registry has accepted it and the digest is right. Never in the way of the push: what cannot be
 * kept is not, and is fetched when somebody asks for it.
 */
export class PushKeeper {
  readonly #parts: PushKeeperParts;
  readonly #open: OpenUploads;

  constructor(parts: PushKeeperParts) {
    this.#parts = parts;
    this.#open = new OpenUploads(parts);
  }

  /** Undefined for a request that brings nothing to keep. */
  watch(exchange: Exchange, origin: Origin, request: RegistryRequest): PushWatch | undefined {
    const { method } = exchange.trace;
    if (request.kind === "manifest") {
      return method === "PUT" ? new ManifestWatch(this.#parts, exchange, origin, request) : undefined;
    }
    const { target } = exchange.arrival;
    const begins = method === "POST" && request.kind === "upload";
    const key = begins ? undefined : uploadKey(origin, target);
    const known = key === undefined ? undefined : this.#open.take(key);
    if (method === "DELETE") known?.drop();
    const state = begins ? new UploadState(this.#parts.store, request.repository) : known;
    if (state === undefined || method === "DELETE") return undefined;
    const digest = parseDigest(new URLSearchParams(target.split("?")[1]).get("digest") ?? "");
    if (digest !== undefined) state.expect(digest);
    return new UploadWatch({ ...this.#parts, open: this.#open }, { origin, begins, digest, state });
  }
}

/** Lets a body through, and has each piece taken. Done once the last one is. */
class Tap {
  #whole = true;
  readonly #over = Promise.withResolvers<void>();
  #end: () => void = () => undefined;

  through(body: Readable, take: (piece: Buffer) => Promise<void> | undefined): Readable {
    this.#whole = false;
    const tap = new Transform({
      transform: (piece: Buffer, _encoding, done) => {
        tap.push(piece);
        const taken = take(piece);
        if (taken === undefined) done();
        else void taken.then(() => done());
      },
      flush: (done) => {
        this.#whole = true;
        this.#over.resolve();
        done();
      },
    });
    const gone = (error?: Error): void => {
      if (!body.readableEnded) tap.destroy(error);
    };
    // Not by pipeline: the body is the client's request, which must outlive an answer that comes early.
    body.once("error", gone).once("close", gone);
    if (body.destroyed) gone();
    body.pipe(tap);
    this.#end = () => {
      body.off("error", gone).off("close", gone);
      body.unpipe(tap);
      tap.destroy();
    };
    return tap;
  }

  /**
   * Whether the whole body passed. A registry that has counted its bytes may answer before their end has come through here, so that the end is
   * waited for, a moment.
   */
  async isWhole(): Promise<boolean> {
    if (this.#whole) return true;
    const timer = setTimeout(this.#over.resolve, endWithin);
    await this.#over.promise;
    clearTimeout(timer);
    return this.#whole;
  }

  end(): void {
    this.#end();
    this.#over.resolve();
  }
}

/** Milliseconds from an answer to the end of the body that it answers. */
const endWithin = 1000;

interface UploadFacts {
  readonly origin: Origin;
  /** Whether the request begins an upload. */
  readonly begins: boolean;
  /** That the request names: it is the last one then. */
  readonly digest: Digest | undefined;
  readonly state: UploadState;
}

class UploadWatch implements PushWatch {
  readonly #parts: PushKeeperParts & { readonly open: OpenUploads };
  readonly #facts: UploadFacts;
  readonly #tap = new Tap();
  #handedOn = false;

  constructor(parts: PushKeeperParts & { readonly open: OpenUploads }, facts: UploadFacts) {
    this.#parts = parts;
    this.#facts = facts;
  }

  through(body: Readable): Readable {
    return this.#tap.through(body, (piece) => this.#facts.state.take(piece));
  }

  async answered({ status, headers }: UpstreamResponse, location: string | undefined): Promise<void> {
    const { origin, begins, digest, state } = this.#facts;
    const named = parseDigest(first(headers["docker-content-digest"]) ?? "");
    if ((status !== 201 && status !== 202) || !(await this.#tap.isWhole())) return;
    if (status === 202) this.#handOn(location);
    else if (digest !== undefined && (named ?? digest) === digest) {
      // A mount begins and ends an upload without a byte.
      if (!(begins && state.size === 0)) await this.#keep(origin, digest);
    }
  }

  end(): void {
    this.#tap.end();
    if (!this.#handedOn) this.#facts.state.drop();
  }

  /** The upload goes on: with what it has so far, or from nothing where the registry did not take the whole in one request. */
  #handOn(location: string | undefined): void {
    const { origin, begins, digest, state } = this.#facts;
    const key = location === undefined ? undefined : uploadKey(origin, location);
    if (key === undefined || (begins && digest === undefined && state.size > 0)) return;
    this.#handedOn = !(begins && state.size > 0);
    if (!this.#handedOn) state.drop();
    this.#parts.open.put(key, this.#handedOn ? state : new UploadState(this.#parts.store, state.repository));
  }

  async #keep(origin: Origin, digest: Digest): Promise<void> {
    const { records, clock, access } = this.#parts;
    const { size, repository } = this.#facts.state;
    if (!(await this.#facts.state.adopt(digest))) return;
    const record = { digest, mediaType: blobMediaType, size, checked: clock.now() };
    await Promise.allSettled([
      records.put(contentKey(origin, "blob", digest), record),
      access.fetched(origin, repository, digest),
    ]);
  }
}

type ManifestRequest = Extract<RegistryRequest, { kind: "manifest" }>;

class ManifestWatch implements PushWatch {
  readonly #parts: PushKeeperParts;
  readonly #exchange: Exchange;
  readonly #origin: Origin;
  readonly #request: ManifestRequest;
  readonly #tap = new Tap();
  #pieces: Buffer[] | undefined = [];
  #size = 0;

  constructor(parts: PushKeeperParts, exchange: Exchange, origin: Origin, request: ManifestRequest) {
    this.#parts = parts;
    this.#exchange = exchange;
    this.#origin = origin;
    this.#request = request;
  }

  through(body: Readable): Readable {
    return this.#tap.through(body, (piece) => {
      this.#size += piece.length;
      if (this.#size > largestManifest) this.#pieces = undefined;
      this.#pieces?.push(piece);
      return undefined;
    });
  }

  async answered({ status, headers }: UpstreamResponse): Promise<void> {
    const { clock } = this.#parts;
    const mediaType = first(this.#exchange.request.headers["content-type"]);
    if (status !== 201 || mediaType === undefined || !(await this.#tap.isWhole()) || this.#pieces === undefined) return;
    const bytes = Buffer.concat(this.#pieces);
    const named = this.#request.digest ?? parseDigest(first(headers["docker-content-digest"]) ?? "");
    const digest = digestOf(bytes, named === undefined ? "sha256" : algorithmOf(named));
    // A registry may keep a manifest otherwise than it came, as schema 1 without its signature.
    if (bytes.length === 0 || (named ?? digest) !== digest) return;
    await this.#keep({ digest, mediaType, size: bytes.length, checked: clock.now() }, bytes);
  }

  async #keep(record: CacheRecord, bytes: Buffer): Promise<void> {
    const { store, records, tagRecords, access, content } = this.#parts;
    const { repository, tag } = this.#request;
    const origin = this.#origin;
    await Promise.allSettled([
      store.put(record.digest, bytes),
      records.put(contentKey(origin, "manifest", record.digest), record),
      access.fetched(origin, repository, record.digest),
      content.noteReferences(origin, repository, bytes),
      tag === undefined ? undefined : tagRecords.pushed({ origin, repository, tag }, record),
    ]);
  }

  end(): void {
    this.#tap.end();
  }
}
