import type { Digest } from "../core/digest.ts";
import { asEntrepotError, EntrepotError } from "../core/errors.ts";
import type { FlightState } from "./flight-state.ts";

/** What followers are told of a flight that failed by its own rules. */
export function failureError(state: FlightState, digest: Digest, message: string | undefined): EntrepotError {
  switch (state.failure) {
    case "wrong-digest":
      return new EntrepotError(
        "UPSTREAM_WRONG_DIGEST",
        message ?? `The upstream sent something else in place of ${digest}.`,
      );
    case "prefix-changed":
      return new EntrepotError(
        "UPSTREAM_WRONG_DIGEST",
        `The upstream sent other bytes of ${digest} when it was asked again.`,
      );
    case "misplaced":
      return new EntrepotError(
        "UPSTREAM_PROTOCOL",
        `The upstream sent another range of ${digest} than it was asked for.`,
      );
    case "size-changed":
      return new EntrepotError(
        "UPSTREAM_WRONG_LENGTH",
        `The upstream announced another size of ${digest} when it was asked again.`,
      );
    case "unexpected":
      return new EntrepotError(
        "UPSTREAM_WRONG_LENGTH",
        `The upstream has more bytes of ${digest} than the ${state.most ?? 0} that its manifest says.`,
        { detail: { expected: state.most } },
      );
    default:
      return new EntrepotError(
        "UPSTREAM_WRONG_LENGTH",
        `The upstream sent more bytes of ${digest} than the ${state.size ?? 0} it announced.`,
      );
  }
}

/** What was rejected with is passed on as it is: the callers know their own errors. */
export function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : asEntrepotError(thrown);
}

/**
 * Whether an attempt that never came to its body ended in a way that a further one will not mend. A connection that broke before the
 * head goes by UPSTREAM_PROTOCOL too, and has a cause.
 */
export function isFinal(error: Error): boolean {
  if (!(error instanceof EntrepotError)) return false;
  return error.code === "UPSTREAM_WRONG_LENGTH" || (error.code === "UPSTREAM_PROTOCOL" && error.cause === undefined);
}

/** To a follower that needs bytes which only the disk could have kept. */
export function lostError(cause: unknown): EntrepotError {
  return new EntrepotError(
    "CACHE_IO",
    "The disk takes no more of this blob, and memory no longer has what was asked for. Pull again.",
    { cause },
  );
}
