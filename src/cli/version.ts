import { readFileSync } from "node:fs";
import type { Output } from "./io.ts";

/** The program's version, from its package.json. */
export function packageVersion(): string {
  const content: unknown = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8"));
  if (typeof content !== "object" || content === null || !("version" in content)) return "unknown";
  return String(content.version);
}

/** `entrepot version`. */
export function version(out: Output): number {
  out.write(`entrepot ${packageVersion()} (node ${process.versions.node})\n`);
  return 0;
}
