import type { Claim } from "../config/front-claims.ts";
import type { HostPort } from "../core/origin.ts";
import type { Handler } from "../serve/exchange.ts";

/** A way in of its own: requests in origin form that mean another server than this proxy's own endpoints. */
export interface Front {
  /** Unique; the label `front` of the log and the metrics. */
  readonly name: string;
  /** Empty: every Host that no other front is named for. */
  readonly hosts: readonly HostPort[];
  readonly claims: readonly Claim[];
  readonly handler: Handler;
}
