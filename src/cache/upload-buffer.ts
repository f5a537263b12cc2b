import { randomUUID } from "node:crypto";
import { createReadStream, createWriteStream } from "node:fs";
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { EntrepotError } from "../core/errors.ts";

/** An upload on disk. Whoever asked for it discards it. */
export interface UploadBuffer {
  /** Bytes. */
  readonly size: number;
  stream(): Readable;
  discard(): Promise<void>;
}

const pieceSize = 1024 * 1024;

/**
 * Takes a request body to a file below `directory`, so that a slow client holds no connection to its registry
 * (PROXY_REQUEST_BUFFERING). Rejects with CACHE_IO where the disk does not take it, and with CANCELLED where the client goes; the
 * file is gone then.
 */
export async function bufferUpload(directory: string, body: Readable, signal: AbortSignal): Promise<UploadBuffer> {
  const path = join(directory, `upload-${process.pid}-${randomUUID()}`);
  const discard = (): Promise<void> => rm(path, { force: true });
  try {
    await mkdir(directory, { recursive: true });
    const file = createWriteStream(path, { flags: "wx", mode: 0o600, highWaterMark: pieceSize });
    await pipeline(body, file, { signal });
    return { size: file.bytesWritten, stream: () => createReadStream(path, { highWaterMark: pieceSize }), discard };
  } catch (cause) {
    await discard().catch(() => undefined);
    if (signal.aborted) throw new EntrepotError("CANCELLED", "The client went away during its upload.", { cause });
    throw new EntrepotError(
      "CACHE_IO",
      "The upload could not be kept on disk before sending it on; set PROXY_REQUEST_BUFFERING=false or free some space.",
      { cause, status: 507 },
    );
  }
}
