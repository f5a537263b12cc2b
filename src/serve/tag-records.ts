import type { CacheRecord, CacheVariant, Records } from "../cache/types.ts";
import { acceptKey, isAccepted, isChosenAlike } from "../core/media-types.ts";
import type { Origin } from "../core/origin.ts";

/** In the place of an Accept, whose key is in lower case. */
const pushedKey = "PUSHED";

/** Bodies of one tag that are remembered; clients choose the Accept, so there must be an end to them. */
const mostVariants = 16;

/**
 * What tags point to, by origin, repository, tag and Accept: the same tag has several bodies, and the same name at two registries is two
 * things. All bodies of a tag share one record, so that a push drops them together.
 */
export class TagRecords {
  readonly #records: Records;

  constructor(records: Records) {
    this.#records = records;
  }

  async get(tag: TagName, accept: string | undefined): Promise<CacheVariant | undefined> {
    const variants = (await this.#records.get(tagKey(tag)))?.variants;
    const asked = variants?.[acceptKey(accept)];
    const pushed = variants?.[pushedKey];
    return asked ?? (pushed !== undefined && isAccepted(pushed.mediaType, accept) ? pushed : undefined);
  }

  /**
   * What may be served of a tag while nobody can be asked, the latest confirmed first: the asker's own body, and those that other askers
   * were given where the registry would have to give the asker the same.
   */
  async inOutage(tag: TagName, accept: string | undefined): Promise<readonly CacheVariant[]> {
    const variants = Object.entries((await this.#records.get(tagKey(tag)))?.variants ?? {});
    return variants
      .filter(([key, { mediaType }]) => {
        if (key === acceptKey(accept)) return true;
        return key === pushedKey ? isAccepted(mediaType, accept) : isChosenAlike(mediaType, key, accept);
      })
      .map(([, variant]) => variant)
      .toSorted((one, other) => other.checked - one.checked);
  }

  /** What a push made of a tag: the one body that it has, for all who accept its type. Never rejects. */
  async pushed(tag: TagName, variant: CacheVariant): Promise<void> {
    await this.#records.put(tagKey(tag), { ...variant, variants: { [pushedKey]: variant } }).catch(() => undefined);
  }

  /** Never rejects: what the disk does not take is kept in memory. */
  async put(tag: TagName, accept: string | undefined, variant: CacheVariant): Promise<void> {
    const key = tagKey(tag);
    const others = Object.entries((await this.#records.get(key))?.variants ?? {}).filter(
      ([name]) => name !== acceptKey(accept),
    );
    const newest = others.toSorted(([, one], [, other]) => other.checked - one.checked).slice(0, mostVariants - 1);
    const record: CacheRecord = {
      ...variant,
      variants: { ...Object.fromEntries(newest), [acceptKey(accept)]: variant },
    };
    await this.#records.put(key, record).catch(() => undefined);
  }

  /** Drops all bodies of a tag. Never rejects. */
  async forget(tag: TagName): Promise<void> {
    await this.#records.delete(tagKey(tag)).catch(() => undefined);
  }
}

export interface TagName {
  readonly origin: Origin;
  readonly repository: string;
  readonly tag: string;
}

/** The key of all that is known of a tag. */
export function tagKey({ origin, repository, tag }: TagName): string {
  return `tag|${origin.name}|${repository}|${tag}`;
}
