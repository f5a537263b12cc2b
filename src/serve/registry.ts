import { EntrepotError } from "../core/errors.ts";
import type { Origin } from "../core/origin.ts";
import { parseRegistryRequest, type RegistryRequest } from "../core/request.ts";
import type { Log } from "../observe/log.ts";
import type { Decision } from "../policy/decide.ts";
import type { Content } from "./content.ts";
import { cacheHeaders } from "./content-headers.ts";
import type { Exchange, Handler } from "./exchange.ts";
import type { Offline } from "./offline.ts";
import { noteRequest } from "./note-request.ts";
import { forward, pass } from "./pass.ts";
import { push, type PushParts } from "./push.ts";
import type { Tags } from "./tag.ts";
import { sendError } from "./write.ts";

export interface RegistryParts extends PushParts {
  /** `allowPush`: of the front that the request came through. */
  readonly decide: (method: string, request: RegistryRequest, allowPush?: boolean) => Decision;
  readonly content: Content;
  readonly tags: Tags;
  readonly offline: Offline;
  readonly log: Log;
}

/** Answers every request to an intercepted registry: parsed once, decided once, then pulled, passed, pushed or refused. */
export function createRegistryHandler(parts: RegistryParts): Handler {
  return (exchange) =>
    guarded(parts.log, exchange, async (origin) => {
      const request = parseRegistryRequest(exchange.arrival.target);
      noteRequest(exchange, request);
      const decision = parts.decide(exchange.trace.method, request, exchange.allowPush);
      switch (decision.action) {
        case "refuse":
          sendError(exchange, decision.error, allowHeader(decision.error));
          return;
        case "pull":
          if (exchange.passesRedirects && decision.request.kind === "blob")
            await pass(parts, exchange, origin, request, "pass");
          else await pull(parts, exchange, origin, decision);
          return;
        case "pass":
          await ((await parts.offline.isFor(exchange, origin, request))
            ? parts.offline.serve(exchange, origin, request)
            : pass(parts, exchange, origin, request, decision.redirects));
          return;
        case "push":
          await push(parts, exchange, origin, request);
      }
    });
}

/** Answers absolute-form requests to hosts that are not intercepted. */
export function createForwardHandler(parts: RegistryParts): Handler {
  return (exchange) => guarded(parts.log, exchange, (origin) => forward(parts, exchange, origin));
}

function pull(
  parts: RegistryParts,
  exchange: Exchange,
  origin: Origin,
  decision: Decision & { action: "pull" },
): Promise<void> {
  const { request, tier } = decision;
  if (request.kind === "manifest" && request.tag !== undefined)
    return parts.tags.serve(exchange, origin, request, tier);
  return parts.content.serve(exchange, origin, request, tier.type);
}

async function guarded(log: Log, exchange: Exchange, answer: (origin: Origin) => Promise<void>): Promise<void> {
  try {
    const { origin } = exchange.arrival;
    if (origin === undefined) throw new EntrepotError("NOT_FOUND", "This request names no registry.");
    await answer(origin);
  } catch (thrown) {
    sendFailure(log, exchange, thrown);
  }
}

/** Turns whatever is thrown into an answer. What was not foreseen is logged with its stack, for it is a defect. */
export function sendFailure(log: Log, exchange: Exchange, thrown: unknown): void {
  const headers = exchange.trace.cache === undefined ? cacheHeaders(exchange, "BYPASS", "unknown") : {};
  const error = sendError(exchange, thrown, headers);
  if (error.code === "INTERNAL")
    log.error({ err: error.cause, path: exchange.trace.path }, "an exchange failed inside the proxy");
}

/** RFC 9110 §15.5.6: a 405 says what is allowed. */
function allowHeader(error: EntrepotError): Record<string, string> {
  return error.status === 405 ? { allow: "GET, HEAD" } : {};
}
