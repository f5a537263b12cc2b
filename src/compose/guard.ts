import type { AnonymousTokens } from "../auth/anonymous.ts";
import type { CredentialId } from "../auth/grants.ts";
import type { Clock } from "../core/clock.ts";
import type { Origin } from "../core/origin.ts";
import type { Share } from "../core/shared-map.ts";
import type { Log } from "../observe/log.ts";
import { type Breaker, createBreaker } from "../upstream/breaker.ts";
import { createQuotas, type Quotas } from "../upstream/quota.ts";

/** What is known of how upstreams fare: which of them fail, and what is left of their quotas. */
export interface Guard {
  readonly breaker: Breaker;
  readonly quotas: Quotas;
  /** Whose quota a request is counted against: "anonymous", or a part of the credential's hash. */
  payer(request: { readonly origin: Origin; readonly authorization: string | undefined }): string;
}

export interface GuardNeeds {
  readonly clock: Clock;
  readonly log: Log;
  readonly anonymous: AnonymousTokens;
  readonly credential: (text: string) => CredentialId;
  readonly share: Share;
}

/** Characters of a credential's hash that tell payers apart in metrics; too few to be of any use otherwise. */
const payerLength = 8;

export function createGuard({ clock, log, anonymous, credential, share }: GuardNeeds): Guard {
  const payer: Guard["payer"] = ({ origin, authorization }) =>
    authorization === undefined || anonymous.until(authorization, origin) !== undefined
      ? "anonymous"
      : credential(authorization).slice(0, payerLength);
  const breaker = createBreaker({ clock, payer, share });
  breaker.onChange(({ origin, state, code }) => {
    const line = { event: "breaker", origin, state, ...(code !== undefined && { code }) };
    if (state === "open") log.warn(line, `${origin} fails; what is cached is served, and it is tried again soon.`);
    else if (state === "closed") log.info(line, `${origin} answers again.`);
  });
  const quotas = createQuotas({
    clock,
    share,
    onLow: (quota) => {
      const { origin, remaining, limit } = quota;
      log.warn({ event: "quota-low", ...quota }, `${origin} has ${remaining} of ${limit} pulls left for us.`);
    },
  });
  return { breaker, quotas, payer };
}
