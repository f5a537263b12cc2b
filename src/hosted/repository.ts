import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { LRUCache } from "lru-cache";
import type { Clock } from "../core/clock.ts";
import { type Digest, isDigestOf, parseDigest } from "../core/digest.ts";
import { EntrepotError } from "../core/errors.ts";
import { isRepositoryName, isTag } from "../core/request.ts";
import { fieldsOf } from "../serve/references.ts";
import { found, isOlder, keep, namesIn, readWhole, remove, removeUnwanted, writeWhole } from "./durable.ts";
import {
  digestOfFileName,
  draftsDirectory,
  fileNameOf,
  hashOf,
  repositoriesDirectory,
  repositoryDirectory,
} from "./layout.ts";
import type { Descriptor } from "./manifest.ts";

/** A manifest as it was pushed. */
export interface StoredManifest {
  readonly mediaType: string;
  readonly bytes: Buffer;
}

export interface RepositoryParts {
  readonly root: string;
  readonly clock: Clock;
}

/** Texts by their hash, which never changes: names and tags that were read once are not read again for a list. */
const rememberedTexts = 50_000;
const texts = new LRUCache<string, string>({ max: rememberedTexts });

/** What one repository holds. All of it is in files, each of them whole: any number of processes may share them. */
export class Repository {
  readonly directory: string;
  readonly #drafts: string;
  readonly #clock: Clock;

  constructor({ root, clock }: RepositoryParts, directory: string) {
    this.directory = directory;
    this.#drafts = draftsDirectory(root);
    this.#clock = clock;
  }

  /** Whether a manifest was ever accepted here, and not all of them are gone for long. */
  async exists(): Promise<boolean> {
    return (await found(join(this.directory, "name"), (path) => stat(path))) !== undefined;
  }

  /** Lists it in the catalog. */
  async enter(name: string): Promise<void> {
    const path = join(this.directory, "name");
    if (!(await keep(path, this.#clock.now()))) await this.#write(path, name);
  }

  /** Takes it from the catalog, where it has neither a manifest nor a tag and was not entered since. Whether it went. */
  async leave(since: number): Promise<boolean> {
    return await removeUnwanted(join(this.directory, "name"), async (path) => {
      if (!(await isOlder(path, since))) return false;
      const held = await Promise.all(["manifests", "tags"].map((part) => namesIn(join(this.directory, part))));
      return held.every((names) => names.length === 0);
    });
  }

  async hasBlob(digest: Digest): Promise<boolean> {
    return (await found(this.blobLink(digest), (path) => stat(path))) !== undefined;
  }

  /** Keeps it from the collector for the time of its grace. False where it may not be read here. */
  keepBlob(digest: Digest): Promise<boolean> {
    return keep(this.blobLink(digest), this.#clock.now());
  }

  async linkBlob(digest: Digest): Promise<void> {
    if (!(await this.keepBlob(digest))) await this.#write(this.blobLink(digest), "");
  }

  unlinkBlob(digest: Digest): Promise<boolean> {
    return remove(this.blobLink(digest));
  }

  blobs(): Promise<Digest[]> {
    return this.#digestsIn("blobs");
  }

  blobLink(digest: Digest): string {
    return join(this.directory, "blobs", fileNameOf(digest));
  }

  /** Undefined where it is not here. Rejects with STORAGE_IO where it has rotted. */
  async manifest(digest: Digest): Promise<StoredManifest | undefined> {
    const file = await readWhole(this.#manifestPath(digest));
    if (file === undefined) return undefined;
    const end = file.indexOf("\n");
    const bytes = file.subarray(end + 1);
    const { mediaType } = parseObject(file.subarray(0, Math.max(0, end)));
    if (typeof mediaType === "string" && isDigestOf(digest, bytes)) return { mediaType, bytes };
    throw new EntrepotError(
      "STORAGE_IO",
      `The manifest ${digest} has rotted on the registry's disk; delete it, and push it again.`,
    );
  }

  async hasManifest(digest: Digest): Promise<boolean> {
    return (await found(this.#manifestPath(digest), (path) => stat(path))) !== undefined;
  }

  async putManifest(digest: Digest, { mediaType, bytes }: StoredManifest): Promise<void> {
    const head = Buffer.from(`${JSON.stringify({ mediaType })}\n`);
    await this.#write(this.#manifestPath(digest), Buffer.concat([head, bytes]));
  }

  removeManifest(digest: Digest): Promise<boolean> {
    return remove(this.#manifestPath(digest));
  }

  manifests(): Promise<Digest[]> {
    return this.#digestsIn("manifests");
  }

  async tag(tag: string): Promise<Digest | undefined> {
    return parseTag(await readWhole(this.#tagPath(tag)))?.digest;
  }

  async putTag(tag: string, digest: Digest): Promise<void> {
    await this.#write(this.#tagPath(tag), JSON.stringify({ tag, digest }));
  }

  removeTag(tag: string): Promise<boolean> {
    return remove(this.#tagPath(tag));
  }

  async tags(): Promise<string[]> {
    const folder = join(this.directory, "tags");
    const tags: string[] = [];
    for (const file of await namesIn(folder)) {
      const tag = await textOf(file, async () => parseTag(await readWhole(join(folder, file)))?.tag);
      if (tag !== undefined && isTag(tag)) tags.push(tag);
    }
    return tags;
  }

  /** Removes the tags that point to a manifest which is not here (to `only` that one), each unless it was put anew meanwhile. */
  async dropDanglingTags(only?: Digest): Promise<number> {
    const folder = join(this.directory, "tags");
    let dropped = 0;
    for (const file of await namesIn(folder)) {
      const path = join(folder, file);
      const digest = parseTag(await readWhole(path))?.digest;
      if (digest === undefined || (only !== undefined && digest !== only) || (await this.hasManifest(digest))) continue;
      const gone = await removeUnwanted(path, async (aside) => {
        const now = parseTag(await readFile(aside))?.digest;
        return now === undefined || !(await this.hasManifest(now));
      });
      if (gone) dropped += 1;
    }
    return dropped;
  }

  async addReferrer(subject: Digest, descriptor: Descriptor): Promise<void> {
    await this.#write(this.#referrerPath(subject, descriptor.digest), JSON.stringify(descriptor));
  }

  /** Forgets a referrer whose manifest is not here. */
  async dropReferrer(subject: Digest, digest: Digest): Promise<void> {
    await removeUnwanted(this.#referrerPath(subject, digest), async () => !(await this.hasManifest(digest)));
  }

  /** Descriptors of the manifests here that are attached to a subject, by digest. Those behind `after`, at most so many. */
  async referrers(
    subject: Digest,
    accepts: (descriptor: Descriptor) => boolean,
    after: string,
    most: number,
  ): Promise<Descriptor[]> {
    const folder = join(this.directory, "referrers", fileNameOf(subject));
    const descriptors: Descriptor[] = [];
    for (const file of (await namesIn(folder)).toSorted()) {
      const digest = digestOfFileName(file);
      if (digest === undefined || digest <= after) continue;
      const [bytes, isHere] = await Promise.all([readWhole(join(folder, file)), this.hasManifest(digest)]);
      if (bytes === undefined || !isHere) continue;
      const descriptor = JSON.parse(bytes.toString("utf8")) as Descriptor;
      if (accepts(descriptor)) descriptors.push(descriptor);
      if (descriptors.length === most) break;
    }
    return descriptors;
  }

  /** Forgets referrers whose manifests are not here. */
  async dropStaleReferrers(): Promise<void> {
    const folder = join(this.directory, "referrers");
    for (const subject of await namesIn(folder)) {
      for (const file of await namesIn(join(folder, subject))) {
        const digest = digestOfFileName(file);
        const of = digestOfFileName(subject);
        if (of === undefined || digest === undefined || (await this.hasManifest(digest))) continue;
        await this.dropReferrer(of, digest);
      }
    }
  }

  async #digestsIn(part: string): Promise<Digest[]> {
    const names = await namesIn(join(this.directory, part));
    return names.flatMap((name) => digestOfFileName(name) ?? []);
  }

  #write(path: string, bytes: string | Buffer): Promise<void> {
    return writeWhole(path, bytes, this.#drafts, this.#clock.now());
  }

  #manifestPath(digest: Digest): string {
    return join(this.directory, "manifests", fileNameOf(digest));
  }

  #tagPath(tag: string): string {
    return join(this.directory, "tags", hashOf(tag));
  }

  #referrerPath(subject: Digest, digest: Digest): string {
    return join(this.directory, "referrers", fileNameOf(subject), fileNameOf(digest));
  }
}

/** The repositories of a storage. */
export class Repositories {
  readonly #parts: RepositoryParts;

  constructor(parts: RepositoryParts) {
    this.#parts = parts;
  }

  get(name: string): Repository {
    return new Repository(this.#parts, repositoryDirectory(this.#parts.root, name));
  }

  /** All that have a directory, in the catalog or not. */
  async *all(): AsyncGenerator<Repository> {
    const root = repositoriesDirectory(this.#parts.root);
    for (const first of await namesIn(root)) {
      for (const hash of await namesIn(join(root, first))) yield new Repository(this.#parts, join(root, first, hash));
    }
  }

  /** The names of the catalog, in no order. */
  async *names(): AsyncGenerator<string> {
    for await (const { directory } of this.all()) {
      const path = join(directory, "name");
      const name =
        (await found(path, (at) => stat(at))) &&
        (await textOf(directory, async () => (await readWhole(path))?.toString()));
      if (name !== undefined && isRepositoryName(name)) yield name;
    }
  }
}

/** The text that a hash in a path stands for. */
async function textOf(key: string, read: () => Promise<string | undefined>): Promise<string | undefined> {
  const known = texts.get(key);
  if (known !== undefined) return known;
  const text = await read();
  if (text !== undefined) texts.set(key, text);
  return text;
}

function parseTag(file: Buffer | undefined): { tag: string; digest: Digest } | undefined {
  if (file === undefined) return undefined;
  const { tag, digest: text } = parseObject(file);
  const digest = typeof text === "string" ? parseDigest(text) : undefined;
  return typeof tag === "string" && digest !== undefined ? { tag, digest } : undefined;
}

/** The fields of a JSON object; none where the bytes are something else. */
function parseObject(bytes: Buffer): Record<string, unknown> {
  try {
    return fieldsOf(JSON.parse(bytes.toString("utf8")));
  } catch {
    return {};
  }
}
