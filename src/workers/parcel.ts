import { asEntrepotError, type ErrorFacts, errorFacts, errorOf } from "../core/errors.ts";
import { LookAgain } from "../serve/look-again.ts";
import { Refusal, type RefusalFacts } from "../serve/refusal.ts";

/** An error on its way to another process, where it is to be told from others again. */
interface Parcel {
  readonly parcel: "refusal" | "look-again" | "error";
  readonly facts: unknown;
}

/** Plain data of a value that holds errors of ours, in it or in what it is made of. What is data already stays as it is. */
export function pack(value: unknown): unknown {
  return mapped(value, (one) => (one instanceof Error ? parcelOf(one) : undefined));
}

export function unpack(value: unknown): unknown {
  return mapped(value, (one) => (isParcel(one) ? opened(one) : undefined));
}

function parcelOf(error: Error): Parcel {
  if (error instanceof Refusal) return { parcel: "refusal", facts: error.facts };
  if (error instanceof LookAgain) return { parcel: "look-again", facts: undefined };
  return { parcel: "error", facts: errorFacts(asEntrepotError(error)) };
}

function opened({ parcel, facts }: Parcel): Error {
  if (parcel === "refusal") return Refusal.of(facts as RefusalFacts);
  return parcel === "look-again" ? new LookAgain() : errorOf(facts as ErrorFacts);
}

function isParcel(value: object): value is Parcel {
  return "parcel" in value && "facts" in value;
}

/** `change` gives what takes an object's place; undefined: look into it. */
function mapped(value: unknown, change: (one: object) => object | undefined): unknown {
  if (typeof value !== "object" || value === null || ArrayBuffer.isView(value)) return value;
  const changed = change(value);
  if (changed !== undefined) return changed;
  if (Array.isArray(value)) return value.map((one) => mapped(one, change));
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, mapped(one, change)]));
}
