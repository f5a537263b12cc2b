import { LRUCache } from "lru-cache";
import type { Digest } from "../core/digest.ts";
import type { Origin } from "../core/origin.ts";
import type { Reference } from "./references.ts";

/** References remembered. */
const most = 20_000;

/**
 * What the manifests of a repository say of the sizes of what they refer to, for that repository alone: anybody can push a manifest that
 * lies to one of his own.
 */
export class ExpectedSizes {
  readonly #sizes = new LRUCache<string, number>({ max: most });

  /** Where two manifests differ, the larger one counts: a size is the most that something may have. */
  note(origin: Origin, repository: string, references: readonly Reference[]): void {
    for (const { digest, size } of references) {
      if (size === undefined) continue;
      const key = keyOf(origin, repository, digest);
      this.#sizes.set(key, Math.max(size, this.#sizes.peek(key) ?? 0));
    }
  }

  /** Bytes; undefined where no manifest told. */
  get(origin: Origin, repository: string, digest: Digest): number | undefined {
    return this.#sizes.get(keyOf(origin, repository, digest));
  }
}

function keyOf(origin: Origin, repository: string, digest: Digest): string {
  return `${origin.name}|${repository}|${digest}`;
}
