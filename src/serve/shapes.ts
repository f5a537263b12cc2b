import { randomUUID } from "node:crypto";
import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { LRUCache } from "lru-cache";
import { z } from "zod";

/** How an endpoint answered last. Never a token, never a body. */
export interface Shape {
  readonly status: number;
  /** WWW-Authenticate, of the schemes that clients of registries know. */
  readonly challenge?: string | undefined;
  /** When, milliseconds since the epoch, where it may be repeated without asking. */
  readonly at?: number | undefined;
  /** To a credential of ours, which another start may not have. */
  readonly injected?: true | undefined;
}

/** A port: what one process learns, the others of the instance know, and the next start as well. */
export interface Shapes {
  get(key: string): Promise<Shape | undefined>;
  /** Never rejects: what the disk does not take is kept in memory. */
  put(key: string, shape: Shape): Promise<void>;
}

const most = 1000;
const fileShape = z.record(
  z.string(),
  z.object({
    status: z.number(),
    challenge: z.string().optional(),
    at: z.number().optional(),
    injected: z.literal(true).optional(),
  }),
);

/**
 * Shapes in one small file. A file that cannot be read, or is none, counts as empty. `onTrouble` is told of a write that failed; the next
 * change tries again.
 */
export function openShapes(path: string, onTrouble: (error: unknown) => void): Shapes {
  const kept = new LRUCache<string, Shape>({ max: most });
  const loaded = load(path).then((shapes) => {
    for (const [key, shape] of shapes) if (!kept.has(key)) kept.set(key, shape);
  });
  let writing: Promise<void> | undefined;
  let changed = false;

  const write = async (): Promise<void> => {
    const temporary = `${path}.${randomUUID()}.tmp`;
    while (changed) {
      changed = false;
      try {
        await mkdir(dirname(path), { recursive: true });
        // Whole or not at all, whenever the process ends.
        await writeFile(temporary, JSON.stringify(Object.fromEntries(kept.entries())), { mode: 0o600 });
        await rename(temporary, path);
      } catch (error) {
        onTrouble(error);
        await rm(temporary, { force: true }).catch(() => undefined);
      }
    }
    writing = undefined;
  };

  return {
    async get(key) {
      await loaded;
      return kept.get(key);
    },
    async put(key, shape) {
      await loaded;
      const before = kept.get(key);
      kept.set(key, shape);
      if (before !== undefined && isSame(before, shape) && before.at === shape.at) return;
      changed = true;
      await (writing ??= write());
    },
  };
}

/** Whether an endpoint answers as it did. */
export function isSame(one: Shape, other: Shape): boolean {
  return one.status === other.status && one.challenge === other.challenge;
}

async function load(path: string): Promise<[string, Shape][]> {
  try {
    const parsed = fileShape.safeParse(JSON.parse(await readFile(path, "utf8")));
    return parsed.success ? Object.entries(parsed.data) : [];
  } catch {
    return [];
  }
}
