import { EntrepotError } from "../core/errors.ts";
import { Refusal } from "./refusal.ts";

/** No word about the thing asked for: the upstream cannot be reached, is out of order, or has had too many requests. */
export function isOutage(error: unknown): boolean {
  if (error instanceof Refusal) return error.status === 429 || error.status >= 500;
  if (!(error instanceof EntrepotError)) return false;
  const { code } = error;
  return code === "TOOMANYREQUESTS" || (code.startsWith("UPSTREAM_") && code !== "UPSTREAM_WRONG_DIGEST");
}
