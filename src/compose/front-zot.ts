import { createTimedTokens } from "../auth/timed-token.ts";
import type { FrontEntry } from "../config/fronts.ts";
import type { Clock } from "../core/clock.ts";
import { EntrepotError } from "../core/errors.ts";
import { createCors } from "../front/cors.ts";
import type { ZotParts } from "../front/zot.ts";

/** What docker is handed where it has no credential is good for so long, milliseconds. */
const lifetime = 3_600_000;

/** What a Zot front's options say of it. */
export function zotOf(
  { name, settings }: Extract<FrontEntry, { kind: "zot" }>,
  { keyFor, clock }: { readonly keyFor: (purpose: string) => Buffer; readonly clock: Clock },
): Pick<ZotParts, "name" | "upstream" | "url" | "tokens" | "cors"> {
  const { zotUrl, myUrl, secret, corsAllowedOrigins } = settings;
  // The configuration refuses such a front without it.
  if (zotUrl === undefined) throw new EntrepotError("INTERNAL", "A Zot front has no registry.");
  return {
    name,
    upstream: zotUrl,
    url: myUrl,
    tokens: createTimedTokens({ secret: secret ?? keyFor(`tokens of the front ${name}`), lifetime, clock }),
    cors: createCors(corsAllowedOrigins),
  };
}
