import { hash } from "node:crypto";

/** What a file of cacache's index says of a key. */
export interface IndexEntry {
  readonly key: string;
  readonly integrity: string;
  readonly size?: number;
  readonly metadata?: unknown;
}

type Line = Omit<IndexEntry, "integrity"> & { readonly integrity: IndexEntry["integrity"] | null };

/**
 * The newest entry of a key in a file of the index, in which each line is `<sha1 of the rest>\t<json>` and the last one counts; undefined where there is
 * none, or it was deleted. A line that is torn, or of another key whose name hashes alike, is passed over.
 */
export function entryOf(text: string, key: string): IndexEntry | undefined {
  for (let end = text.length; end > 0;) {
    const start = text.lastIndexOf("\n", end - 1) + 1;
    const entry = parseLine(text.slice(start, end));
    if (entry?.key === key) return entry.integrity === null ? undefined : { ...entry, integrity: entry.integrity };
    end = start - 1;
  }
  return undefined;
}

function parseLine(line: string): Line | undefined {
  const tab = line.indexOf("\t");
  const json = line.slice(tab + 1);
  if (tab === -1 || hash("sha1", json) !== line.slice(0, tab)) return undefined;
  try {
    const value: unknown = JSON.parse(json);
    return isLine(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function isLine(value: unknown): value is Line {
  if (typeof value !== "object" || value === null || !("key" in value) || !("integrity" in value)) return false;
  const { key, integrity } = value;
  const size = "size" in value ? value.size : undefined;
  const isSized = size === undefined || typeof size === "number";
  return typeof key === "string" && (integrity === null || typeof integrity === "string") && isSized;
}
