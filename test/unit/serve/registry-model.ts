import { EventEmitter } from "node:events";
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from "node:http";
import { Readable } from "node:stream";
import { createAccessRecords, createCredentialHash } from "../../../src/auth/grants.ts";
import { Coalescer } from "../../../src/cache/coalesce.ts";
import { type Digest, digestOf } from "../../../src/core/digest.ts";
import { EntrepotError } from "../../../src/core/errors.ts";
import { makeOrigin } from "../../../src/core/origin.ts";
import { parseRegistryRequest } from "../../../src/core/request.ts";
import type { PullRequest } from "../../../src/policy/decide.ts";
import { Access, type AccessParts, type Admission, type AdmitOptions } from "../../../src/serve/access.ts";
import { Exchange } from "../../../src/serve/exchange.ts";
import { Refusal } from "../../../src/serve/refusal.ts";
import type { Fetch, UpstreamRequest, UpstreamResponse } from "../../../src/upstream/types.ts";

export const origin = makeOrigin("https", "reg.test");
export const size = 100;
export const digests: Readonly<Record<"open" | "team" | "other", Digest>> = {
  open: digestOf(Buffer.from("open")),
  team: digestOf(Buffer.from("team")),
  other: digestOf(Buffer.from("other")),
};

export const basic = (user: string): string => `Basic ${Buffer.from(`${user}:${user}'s password`).toString("base64")}`;
export const anonymousToken = "Bearer issued-to-nobody";
export const ownToken = "Bearer ours-of-an-outage";

/** A registry with three repositories, each with one blob that is also its tag's manifest; `readers` says who may read which. */
export class RegistryModel {
  readonly readers: Record<string, Set<string>> = {
    open: new Set(["nobody", "alice", "bob", "us"]),
    team: new Set(["alice", "us"]),
    other: new Set(["bob"]),
  };
  down: "no" | "unreachable" | 429 | 503 = "no";
  /** Of all who ask. */
  readonly seen: UpstreamRequest[] = [];
  /** Called before an answer. */
  before: (() => Promise<void>) | undefined;
  /** Whether our credential is sent where there is none. */
  injects = false;
  headers: IncomingHttpHeaders = {};

  mayRead(user: string, repository: string): boolean {
    return this.readers[repository]?.has(user) ?? false;
  }

  holds(repository: string, digest: string): boolean {
    return (digests as Record<string, string>)[repository] === digest;
  }

  userOf(request: UpstreamRequest): { user: string; injected: boolean } {
    const { authorization, headers } = request;
    if (headers["x-api-key"] === "secret of the test") return { user: "alice", injected: false };
    if (authorization === undefined && this.injects && request.inject !== false) return { user: "us", injected: true };
    if (authorization === undefined || authorization === anonymousToken) return { user: "nobody", injected: false };
    const user = ["alice", "bob", "mallory"].find((name) => basic(name) === authorization) ?? "expired";
    return { user, injected: false };
  }

  readonly fetch: Fetch = async (request) => {
    this.seen.push(request);
    await this.before?.();
    request.signal.throwIfAborted();
    if (this.down === "unreachable")
      throw new EntrepotError("UPSTREAM_UNREACHABLE", "reg.test cannot be connected to.");
    const { user, injected } = this.userOf(request);
    return this.#answer(request, this.#statusOf(request, user), injected);
  };

  #statusOf(request: UpstreamRequest, user: string): number {
    if (typeof this.down === "number") return this.down;
    const asked = parseRegistryRequest(request.path);
    if (asked.kind !== "blob" && asked.kind !== "manifest") return 404;
    if (user === "expired") return 401;
    if (!this.mayRead(user, asked.repository)) return user === "nobody" ? 401 : 403;
    return asked.digest === undefined || this.holds(asked.repository, asked.digest) ? 200 : 404;
  }

  #answer(request: UpstreamRequest, status: number, injected: boolean): UpstreamResponse {
    const headers: IncomingHttpHeaders =
      status === 200
        ? { "content-type": "application/x-blob", "content-length": String(size), ...this.headers }
        : status === 401
          ? { "www-authenticate": 'Bearer realm="https://auth.test/token"' }
          : {};
    const body = Readable.from(request.method === "HEAD" ? [] : [Buffer.alloc(size)]);
    return { status, headers, rawHeaders: [], body, from: origin, address: undefined, attempts: 1, injected };
  }
}

export const publicTtl = 86_400_000;
export const grantTtl = 300_000;
export const staleIfError = 60 * 86_400_000;

/** The admission before a registry, with a clock that stands until it is moved. */
export function stageAccess(more: Partial<AccessParts> = {}) {
  const clock = { time: 1_700_000_000_000, now: () => clock.time };
  const registry = new RegistryModel();
  const kept = new Map<string, { digest: Digest; mediaType: string; size: number; checked: number }>();
  const records = createAccessRecords({
    clock,
    publicTtl,
    grantTtl,
    kept: {
      hot: (key) => kept.get(key),
      get: async (key) => kept.get(key),
      put: async (key, fact) => void kept.set(key, fact),
      delete: async (key) => void kept.delete(key),
    },
  });
  const coalescer = new Coalescer<unknown>();
  const credential = createCredentialHash();
  const access = new Access({
    fetch: registry.fetch,
    anonymously: (request) => registry.fetch({ ...request, authorization: undefined, inject: false }),
    records,
    credential,
    injects: () => registry.injects,
    anonymousUntil: (authorization) => (authorization === anonymousToken ? clock.time + 60_000 : undefined),
    isOwnToken: (authorization) => authorization === ownToken,
    coalesce: async <T>(key: string, signal: AbortSignal, work: (signal: AbortSignal) => Promise<T>) =>
      (await coalescer.run(key, work, signal)) as T,
    clock,
    mode: "verified",
    staleIfError,
    ...more,
  });
  return { access, registry, clock, records, credential, kept };
}

/** A request as the listener makes it. */
export function exchangeOf(
  target: string,
  authorization?: string,
  more: IncomingHttpHeaders = {},
  method = "GET",
): Exchange {
  const headers = { host: "reg.test", accept: "*/*", ...(authorization !== undefined && { authorization }), ...more };
  const response = Object.assign(new EventEmitter(), { writableFinished: true });
  return new Exchange(
    { method, headers, complete: true } as unknown as IncomingMessage,
    response as unknown as ServerResponse,
    { door: "connect", origin, target, client: "127.0.0.1" },
  );
}

export type Kind = "blob" | "manifest" | "tag";

export function askFor(kind: Kind, repository: string, digest: Digest): { target: string; request: PullRequest } {
  const reference = kind === "tag" ? "latest" : digest;
  const target = `/v2/${repository}/${kind === "blob" ? "blobs" : "manifests"}/${reference}`;
  return { target, request: parseRegistryRequest(target) as PullRequest };
}

export interface Asking extends AdmitOptions {
  readonly kind?: Kind;
  readonly digest?: Digest;
  readonly headers?: IncomingHttpHeaders;
}

/** Likewise, with a short way to ask. */
export function stage(...more: Parameters<typeof stageAccess>) {
  const staged = stageAccess(...more);
  const admit = (
    who: string | undefined,
    repository: keyof typeof digests,
    { kind = "blob", digest = digests[repository], headers = {}, ...options }: Asking = {},
  ): Promise<Admission> => {
    const { target, request } = askFor(kind, repository, digest);
    return staged.access.admit(exchangeOf(target, who, headers), origin, request, options);
  };
  return { ...staged, admit };
}

/** What came of it, in a word: serve, pass, or the status of the refusal. */
export async function outcome(admission: Promise<Admission>): Promise<string | number> {
  try {
    const given = await admission;
    if (given === "pass") return "pass";
    return given instanceof Refusal ? given.status : "serve";
  } catch (error) {
    return error instanceof EntrepotError ? error.code : String(error);
  }
}
