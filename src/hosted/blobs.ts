import { randomUUID } from "node:crypto";
import { copyFile, mkdir, open, stat, unlink, utimes } from "node:fs/promises";
import { join } from "node:path";
import { FileBody } from "../cache/file-body.ts";
import { OpenFile } from "../cache/open-file.ts";
import { pieceBuffers } from "../cache/pool.ts";
import { openFile, statFile } from "../cache/spool.ts";
import { errnoOf } from "../cache/trouble.ts";
import type { Body } from "../core/body.ts";
import type { Clock } from "../core/clock.ts";
import type { Digest } from "../core/digest.ts";
import { found, keep, moveInto } from "./durable.ts";
import { blobPath, draftsDirectory } from "./layout.ts";

/** Content that was proven to be what its digest says, once for all repositories. Who may read it is theirs to say. */
export class Blobs {
  readonly #root: string;
  readonly #clock: Clock;

  constructor(root: string, clock: Clock) {
    this.#root = root;
    this.#clock = clock;
  }

  /** Undefined where it is not here. The receiver closes it. */
  async open(digest: Digest): Promise<(Body & { readonly size: number }) | undefined> {
    const descriptor = await found(blobPath(this.#root, digest), (path) => openFile(path, "r"));
    if (descriptor === undefined) return undefined;
    const { size } = await statFile(descriptor);
    return new FileBody({ file: new OpenFile(descriptor), size, pool: pieceBuffers, damaged: () => undefined });
  }

  /** Bytes; undefined where it is not here. */
  async size(digest: Digest): Promise<number | undefined> {
    return (await found(blobPath(this.#root, digest), (path) => stat(path)))?.size;
  }

  /** Keeps it from the collector for the time of its grace. False where it is not here. */
  keep(digest: Digest): Promise<boolean> {
    return keep(blobPath(this.#root, digest), this.#clock.now());
  }

  /** Takes over a whole file that was proven, and that nobody has open for writing. It is gone from where it was. */
  async adopt(from: string, digest: Digest): Promise<void> {
    if (await this.keep(digest)) {
      await unlink(from);
      return;
    }
    const now = this.#clock.now() / 1000;
    await utimes(from, now, now);
    try {
      await moveInto(from, blobPath(this.#root, digest));
    } catch (error) {
      if (errnoOf(error) !== "EXDEV") throw error;
      await this.#copyIn(from, digest);
      await unlink(from);
    }
  }

  /** From another file system. */
  async #copyIn(from: string, digest: Digest): Promise<void> {
    const drafts = draftsDirectory(this.#root);
    const draft = join(drafts, randomUUID());
    const now = this.#clock.now() / 1000;
    try {
      await mkdir(drafts, { recursive: true });
      await copyFile(from, draft);
      const file = await open(draft, "r+");
      try {
        await file.sync();
      } finally {
        await file.close();
      }
      await utimes(draft, now, now);
      await moveInto(draft, blobPath(this.#root, digest));
    } catch (error) {
      await unlink(draft).catch(() => undefined);
      throw error;
    }
  }
}
