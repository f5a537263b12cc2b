import { inspected } from "../admin/inspected.ts";
import type { Credentials } from "../auth/credentials.ts";
import { judgeTag, mayServeStale } from "../cache/freshness.ts";
import { spoolDirectory } from "../cache/layout.ts";
import type { CacheRecord } from "../cache/types.ts";
import { bufferUpload } from "../cache/upload-buffer.ts";
import type { Config } from "../config/schema.ts";
import type { Origin } from "../core/origin.ts";
import type { Clock } from "../core/clock.ts";
import type { Log } from "../observe/log.ts";
import type { Trace } from "../observe/trace.ts";
import type { Policy } from "../policy/policy.ts";
import type { Access } from "../serve/access.ts";
import { Content } from "../serve/content.ts";
import type { Handler } from "../serve/exchange.ts";
import { createHotLook, type HotLook } from "../serve/hot.ts";
import type { Offline } from "../serve/offline.ts";
import { observed } from "../serve/observed.ts";
import { pass } from "../serve/pass.ts";
import { Prefetcher } from "../serve/prefetch.ts";
import { PushKeeper } from "../serve/push-keep.ts";
import type { PushParts } from "../serve/push.ts";
import { RecentRefusals } from "../serve/recent-refusals.ts";
import { createForwardHandler, createRegistryHandler } from "../serve/registry.ts";
import { TagRecords } from "../serve/tag-records.ts";
import { Tags } from "../serve/tag.ts";
import type { Fetch } from "../upstream/types.ts";
import type { Inspectors } from "./inspectors.ts";
import type { Instance } from "./instance.ts";

export interface HandlerNeeds {
  readonly credentials: Credentials;
  readonly policy: Policy;
  readonly instance: Instance;
  readonly fetch: Fetch;
  readonly access: Access;
  readonly offline: Offline;
  readonly clock: Clock;
  readonly log: Log;
  readonly record: (trace: Trace) => void;
  readonly inspectors: Inspectors;
}

export interface Handlers {
  readonly registry: Handler;
  /** The same, not recorded: for fronts, whose exchanges are recorded as their own. */
  readonly behindFronts: Handler;
  /** Undefined while an inspector is to see every exchange. */
  readonly hot: HotLook | undefined;
  readonly forward: Handler;
  /** Records, and shows to the inspector, what our own endpoints answer. */
  own(admin: Handler): Handler;
}

export function createHandlers(config: Config, needs: HandlerNeeds): Handlers {
  const { credentials, policy, fetch, access, offline, clock, log, record, inspectors } = needs;
  const { cache, coalesce, share } = needs.instance;
  const { store, records, flights } = cache;
  const content = new Content({
    store,
    records,
    flights,
    fetch,
    access,
    clock,
    share,
    manifestFetched: (...manifest) => prefetcher?.fetched(...manifest),
    pass: (exchange, origin, request) => pass({ fetch }, exchange, origin, request, "follow"),
  });
  const prefetcher =
    config.prefetch === "none"
      ? undefined
      : new Prefetcher({
          platforms: config.prefetch,
          fetch: (...ahead) => content.fetchAhead(...ahead),
          active: () => flights.active,
          clock,
        });
  const tagRecords = new TagRecords(records);
  const refusals = new RecentRefusals(clock, share);
  const tags = new Tags({
    store,
    records,
    tags: tagRecords,
    fetch,
    clock,
    content,
    access,
    refusals,
    coalesce,
    judge: (known, ttl) => judge(config, known, ttl, clock.now()),
    mayServeStale: (known, ttl) => mayServeStale({ record: known, ttl, now: clock.now() }, config.staleIfError),
  });
  const keep = config.cacheOnPush ? new PushKeeper({ store, records, tagRecords, access, content, clock }) : undefined;
  const buffer = config.proxyRequestBuffering ? bufferIn(spoolDirectory(cache.directory)) : undefined;
  const parts = {
    fetch,
    buffer,
    keep,
    records,
    tagRecords,
    changed: (origin: Origin, repository: string) => {
      access.changed(origin, repository);
      refusals.forget({ origin, repository });
    },
    offline,
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
  const behindFronts = createRegistryHandler(parts);
  const isSeen = inspectors.seenClient !== undefined;
  return {
    hot: isSeen
      ? undefined
      : createHotLook({
          decide: policy.decide,
          records,
          store,
          admits: (ask, request) => access.admitsNow(ask.headers, ask.origin, request),
          lookUp: (ask, request) => access.lookUp(ask.origin, request),
          isFresh: (known, ttl) => judge(config, known, ttl, clock.now()) === "fresh",
        }),
    registry: watched(behindFronts),
    behindFronts,
    forward: watched(createForwardHandler(parts)),
    own: watched,
  };
}

/** Whether a tag is served at once, served and checked afterwards, or checked first. */
function judge(
  config: Config,
  record: CacheRecord | undefined,
  ttl: number,
  now: number,
): "absent" | "fresh" | "updating" | "expired" {
  const verdict = judgeTag({ record, ttl, now });
  const grace = config.staleWhileRevalidate;
  return verdict === "expired" && judgeTag({ record, ttl: ttl + grace, now }) === "fresh" ? "updating" : verdict;
}

function bufferIn(directory: string): NonNullable<PushParts["buffer"]> {
  return (body, signal) => bufferUpload(directory, body, signal);
}
