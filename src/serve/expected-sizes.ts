import type { Digest } from "../core/digest.ts";
import type { Origin } from "../core/origin.ts";
import { ownMaps, type Share, type SharedMap } from "../core/shared-map.ts";
import type { Reference } from "./references.ts";

/** References remembered. */
const most = 20_000;

/**
 * What the manifests of a repository say of the sizes of what they refer to, for that repository alone: anybody can push a manifest that
 * lies to one of his own.
 */
export class ExpectedSizes {
  readonly #sizes: SharedMap<number>;

  constructor(share: Share = ownMaps) {
    this.#sizes = share<number>("expected-sizes", most);
  }

  /** Where two manifests differ, the larger one counts: a size is the most that something may have. */
  note(origin: Origin, repository: string, references: readonly Reference[]): void {
    for (const { digest, size } of references) {
      if (size === undefined) continue;
      const key = keyOf(origin, repository, digest);
      const known = this.#sizes.peek(key) ?? 0;
      if (size > known || known === 0) this.#sizes.set(key, size);
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
