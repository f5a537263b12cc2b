import { EntrepotError } from "../core/errors.ts";
import { readShort } from "../core/short-body.ts";
import type { Exchange } from "../serve/exchange.ts";
import { requestBody } from "../serve/pass.ts";

/** A form with credentials and scopes has some kilobytes. */
const longestForm = 64 * 1024;

/** The whole body of a request that is short; empty where there is none. Rejects with BAD_REQUEST where it is longer. */
export function readForm(exchange: Exchange): Promise<Buffer> {
  const body = requestBody(exchange);
  if (body === undefined) return Promise.resolve(Buffer.alloc(0));
  return readShort(body, {
    limit: longestForm,
    tooLong: () =>
      new EntrepotError("BAD_REQUEST", `What is sent here has ${longestForm} bytes at most.`, { status: 413 }),
    cut: () => new EntrepotError("CANCELLED", "The client went away."),
  });
}

/** Whether a request's body is a form as OAuth2 has it (RFC 6749, appendix B). */
export function isForm(contentType: string | undefined): boolean {
  return /^application\/x-www-form-urlencoded\s*(?:;|$)/i.test(contentType ?? "");
}
