import { closeSync, openSync, readSync, writeSync } from "node:fs";
import { join } from "node:path";
import { contentPath } from "../../../src/cache/layout.ts";
import type { Digest } from "../../../src/core/digest.ts";
import type { RunningProxy } from "../../fixtures/proxy.ts";
import type { Content } from "../../fixtures/synthetic-blob.ts";

/** Of a blob of the fixture's. */
export const path = ({ digest }: Content): string => `/v2/library/app/blobs/${digest}`;

/** Where a proxy has what has a digest. */
export function fileOf(proxy: RunningProxy, { digest }: { readonly digest: string }): string {
  return contentPath(join(proxy.directory, "cache"), digest as Digest);
}

/** Inverts a bit in place. */
export function flip(file: string, position: number): void {
  const descriptor = openSync(file, "r+");
  const byte = Buffer.alloc(1);
  readSync(descriptor, byte, 0, 1, position);
  writeSync(descriptor, Buffer.from([(byte[0] ?? 0) ^ 4]), 0, 1, position);
  closeSync(descriptor);
}
