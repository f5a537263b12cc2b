/** What a Range header asks for, before the size is known (RFC 9110 §14.1.2). Positions are byte offsets, both ends included. */
export type RangeSpec =
  | { readonly kind: "from"; readonly first: number; readonly last: number | undefined }
  | { readonly kind: "suffix"; readonly length: number };

/** A range of a body whose size is known. */
export interface ByteRange {
  readonly first: number;
  readonly last: number;
}

/**
 * One single byte range. Undefined stands for "send the whole": no header, a unit that is not bytes, a text
 * that is no range, or several ranges (RFC 9110 §14.2 lets a server ignore each of them).
 */
export function parseRange(header: string | undefined): RangeSpec | undefined {
  const match = header === undefined ? null : /^\s*bytes\s*=\s*(\d{0,15})\s*-\s*(\d{0,15})\s*$/i.exec(header);
  if (!match) return undefined;
  const [, from = "", to = ""] = match;
  if (from === "") return to === "" ? undefined : { kind: "suffix", length: Number(to) };
  const first = Number(from);
  const last = to === "" ? undefined : Number(to);
  return last !== undefined && last < first ? undefined : { kind: "from", first, last };
}

/** The bytes that a range means in a body of `size` bytes; "unsatisfiable" is answered with 416 (RFC 9110 §15.5.17). */
export function resolveRange(spec: RangeSpec, size: number): ByteRange | "unsatisfiable" {
  if (spec.kind === "suffix") {
    return spec.length === 0 || size === 0
      ? "unsatisfiable"
      : { first: Math.max(0, size - spec.length), last: size - 1 };
  }
  if (spec.first >= size) return "unsatisfiable";
  return { first: spec.first, last: Math.min(spec.last ?? size - 1, size - 1) };
}

/** RFC 9110 §14.4. */
export function contentRange(range: ByteRange, size: number): string {
  return `bytes ${range.first}-${range.last}/${size}`;
}

/** The parts of a `Content-Range: bytes a-b/size` that an upstream sent; undefined where it is something else. */
export function parseContentRange(header: string | undefined): (ByteRange & { size: number | undefined }) | undefined {
  const match = header === undefined ? null : /^bytes (\d{1,15})-(\d{1,15})\/(\d{1,15}|\*)$/i.exec(header.trim());
  if (!match) return undefined;
  const first = Number(match[1]);
  const last = Number(match[2]);
  const size = match[3] === "*" ? undefined : Number(match[3]);
  return last < first || (size !== undefined && last >= size) ? undefined : { first, last, size };
}
