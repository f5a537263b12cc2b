import { inspected } from "../admin/inspected.ts";
import type { Credentials } from "../auth/credentials.ts";
import { Coalescer } from "../cache/coalesce.ts";
import { judgeTag } from "../cache/freshness.ts";
import { spoolDirectory } from "../cache/layout.ts";
import { bufferUpload } from "../cache/upload-buffer.ts";
import type { Config } from "../config/schema.ts";
import type { Origin } from "../core/origin.ts";
import type { Clock } from "../core/clock.ts";
import type { Log } from "../observe/log.ts";
import type { Trace } from "../observe/trace.ts";
import type { Policy } from "../policy/policy.ts";
import { Content } from "../serve/content.ts";
import type { Handler } from "../serve/exchange.ts";
import { observed } from "../serve/observed.ts";
import { pass } from "../serve/pass.ts";
import type { PushParts } from "../serve/push.ts";
import { createForwardHandler, createRegistryHandler } from "../serve/registry.ts";
import { TagRecords } from "../serve/tag-records.ts";
import { Tags } from "../serve/tag.ts";
import type { Fetch } from "../upstream/types.ts";
import type { Cache } from "./cache.ts";
import type { Inspectors } from "./inspectors.ts";

export interface HandlerNeeds {
  readonly credentials: Credentials;
  readonly policy: Policy;
  readonly cache: Cache;
  readonly fetch: Fetch;
  readonly clock: Clock;
  readonly log: Log;
  readonly record: (trace: Trace) => void;
  readonly inspectors: Inspectors;
}

export interface Handlers {
  readonly registry: Handler;
  readonly forward: Handler;
  /** Records, and shows to the inspector, what our own endpoints answer. */
  own(admin: Handler): Handler;
}

export function createHandlers(config: Config, needs: HandlerNeeds): Handlers {
  const { credentials, policy, cache, fetch, clock, log, record, inspectors } = needs;
  const { store, records, flights } = cache;
  const content = new Content({
    store,
    records,
    flights,
    fetch,
    clock,
    pass: (exchange, origin, request) => pass({ fetch }, exchange, origin, request, "follow"),
  });
  const tagRecords = new TagRecords(records);
  const tags = new Tags({
    store,
    records,
    tags: tagRecords,
    fetch,
    clock,
    content,
    coalesce: createCoalesce(),
    judge: (known, ttl, now) => judgeTag({ record: known, ttl, now }),
  });
  const buffer = config.proxyRequestBuffering ? bufferIn(spoolDirectory(cache.directory)) : undefined;
  const parts = {
    fetch,
    buffer,
    records,
    tagRecords,
    injectOnPush: config.injectOnPush,
    holdsCredential: (origin: Origin) => credentials(origin) !== undefined,
    decide: policy.decide,
    content,
    tags,
    log,
  };
  const watched = (handler: Handler): Handler => {
    const { seenClient } = inspectors;
    return observed(seenClient === undefined ? handler : inspected(handler, seenClient), record);
  };
  return {
    registry: watched(createRegistryHandler(parts)),
    forward: watched(createForwardHandler(parts)),
    own: watched,
  };
}

/** One table for all kinds of work: a key names its kind, so that what is shared under it is of one type. */
function createCoalesce(): <T>(
  key: string,
  signal: AbortSignal,
  work: (signal: AbortSignal) => Promise<T>,
) => Promise<T> {
  const coalescer = new Coalescer<unknown>();
  return async <T>(key: string, signal: AbortSignal, work: (signal: AbortSignal) => Promise<T>) =>
    (await coalescer.run(key, work, signal)) as T;
}

function bufferIn(directory: string): NonNullable<PushParts["buffer"]> {
  return (body, signal) => bufferUpload(directory, body, signal);
}
