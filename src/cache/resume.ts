import type { Hash } from "node:crypto";
import { type Digest, hashFor } from "../core/digest.ts";
import { EntrepotError } from "../core/errors.ts";
import { type FlightState, heldBack } from "./flight-state.ts";
import type { FlightHead, Spool } from "./types.ts";

/** What a process that has ended left of a flight. */
export interface Left extends FlightHead {
  readonly spool: Spool;
  /** Bytes on the spool, from the start and without a gap. */
  readonly bytes: number;
  /** Of these bytes. */
  readonly hash: Hash;
  readonly validator: string | undefined;
  /** Bytes that it may have at most, where a manifest told so. */
  readonly expected: number | undefined;
}

/** The state of a flight that begins with them. */
export function resumedFlight(state: FlightState, { bytes, size, validator }: Left): FlightState {
  const most = Math.min(size ?? Number.POSITIVE_INFINITY, state.most ?? Number.POSITIVE_INFINITY);
  if (bytes > most) return { ...state, phase: "failed", failure: "too-long" };
  return {
    ...state,
    // Whole already: its hash is all that is missing.
    phase: bytes === size ? "proving" : "asking",
    ended: bytes === size,
    answered: true,
    size,
    validator,
    received: bytes,
    written: bytes,
    brokeAt: bytes,
    visible: Math.max(0, Math.min(bytes, (size ?? bytes) - heldBack)),
  };
}

const pieceSize = 1024 * 1024;

/** The hash of the first bytes of a spool. Rejects with CACHE_IO where it is shorter. */
export async function hashOf(spool: Spool, bytes: number, digest: Digest): Promise<Hash> {
  const hash = hashFor(digest);
  const buffer = Buffer.allocUnsafeSlow(Math.min(pieceSize, Math.max(1, bytes)));
  for (let position = 0; position < bytes;) {
    const read = await readAt(spool, buffer.subarray(0, Math.min(buffer.length, bytes - position)), position);
    if (read === 0) throw new EntrepotError("CACHE_IO", "The file of a blob that was being fetched was cut short.");
    hash.update(buffer.subarray(0, read));
    position += read;
  }
  return hash;
}

function readAt(spool: Spool, buffer: Buffer, position: number): Promise<number> {
  return new Promise((resolve, reject) => {
    spool.read(buffer, position, (error, bytes) => (error === null ? resolve(bytes) : reject(error)));
  });
}
