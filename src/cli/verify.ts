import { stat, unlink } from "node:fs/promises";
import { conditionOf } from "../cache/check.ts";
import { contentPath } from "../cache/layout.ts";
import { errnoOf } from "../cache/trouble.ts";
import { walkContent } from "../cache/walk.ts";
import type { Digest } from "../core/digest.ts";
import { EntrepotError } from "../core/errors.ts";
import { formatSize } from "../core/units.ts";
import type { Io, Output } from "./io.ts";

const pieceSize = 1024 * 1024;

/**
 * `entrepot verify`: reads back all content of a cache directory, whether a proxy runs on it or not, and drops what is no longer what its
 * digest says. Resolves with the exit code: 1 where something was rotten or could not be read. Rejects with CONFIG_INVALID where there is
 * no such directory.
 */
export async function verify(directory: string, { stdout, signals }: Pick<Io, "stdout" | "signals">): Promise<number> {
  if ((await stat(directory).catch(() => undefined))?.isDirectory() !== true) {
    throw new EntrepotError(
      "CONFIG_INVALID",
      `CACHE_DIR: there is no directory ${directory}; name the one of the proxy.`,
    );
  }
  const stop = new AbortController();
  signals.onStop(() => stop.abort());
  const seen = { blobs: 0, bytes: 0, rotten: 0, failed: 0 };
  const failed = (what: string, error: unknown): void => {
    seen.failed += 1;
    stdout.write(`unread  ${what} (${errnoOf(error) ?? "unknown error"})\n`);
  };
  const buffer = Buffer.allocUnsafeSlow(pieceSize);
  for await (const { digest, size } of walkContent(directory, stop.signal, (error) => failed("a folder", error))) {
    try {
      const condition = await conditionOf(directory, digest, buffer, stop.signal);
      if (condition === "gone") continue;
      seen.blobs += 1;
      seen.bytes += size;
      if (condition === "whole") continue;
      seen.rotten += 1;
      await drop(directory, digest, size, stdout);
    } catch (error) {
      if (stop.signal.aborted) break;
      failed(digest, error);
    }
  }
  const { blobs, bytes, rotten } = seen;
  const end = stop.signal.aborted ? "Stopped. " : "";
  stdout.write(`${end}${blobs} blobs and manifests (${formatSize(bytes)}) read, ${rotten} rotten.\n`);
  return rotten + seen.failed > 0 || stop.signal.aborted ? 1 : 0;
}

async function drop(directory: string, digest: Digest, size: number, stdout: Output): Promise<void> {
  try {
    await unlink(contentPath(directory, digest));
    stdout.write(`rotten  ${digest} (${formatSize(size)}), dropped\n`);
  } catch (error) {
    stdout.write(
      `rotten  ${digest} (${formatSize(size)}), could not be dropped (${errnoOf(error) ?? "unknown error"})\n`,
    );
  }
}
