import type { Kind } from "../../../src/config/kind.ts";

const delimiters: Readonly<Record<string, string>> = { authRegistriesDelimiter: " ", authRegistryDelimiter: ":" };

/** What a kind makes of a text: the value, or the messages of what is wrong with it. */
export function read<T>(
  kind: Kind<T>,
  given: unknown,
  peers: Readonly<Record<string, string>> = {},
): T | { problems: string[] } {
  const result = kind.schema((name) => peers[name] ?? delimiters[name] ?? "").safeParse(given);
  return result.success ? result.data : { problems: result.error.issues.map(({ message }) => message) };
}

/** Whether a kind takes it. */
export function accepts(kind: Kind<unknown>, given: unknown): boolean {
  return kind.schema((name) => delimiters[name] ?? "").safeParse(given).success;
}
