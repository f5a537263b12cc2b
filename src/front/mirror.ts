import { EntrepotError } from "../core/errors.ts";
import { type Origin, parseHostPort } from "../core/origin.ts";
import type { Handler } from "../serve/exchange.ts";
import { sendError } from "../serve/write.ts";
import { namespaceOf, withoutNamespace } from "./dispatch.ts";
import { type Intercepts, registryOf, targetAt } from "./docker-hub.ts";
import { answerPing, isReading } from "./ping.ts";
import { createView } from "./seen.ts";

export interface MirrorParts {
  readonly name: string;
  /** The registry behind requests that name none. */
  readonly upstream: Origin;
  readonly intercepts: Intercepts;
  readonly registry: Handler;
}

/**
 * A mirror as containerd and dockerd use one: `/v2/<repository>/...?ns=<registry>`, or without `ns` for one registry. What it may not serve is a 404, at which
 * every client goes on to the registry itself.
 */
export function createMirror({ name, upstream, intercepts, registry }: MirrorParts): Handler {
  return async (exchange) => {
    const { target } = exchange.arrival;
    const namespace = namespaceOf(target);
    const parsed = namespace === undefined ? undefined : parseHostPort(namespace);
    const origin = namespace === undefined ? upstream : parsed && registryOf(parsed, intercepts);
    if (origin === undefined) {
      const problem = "This mirror does not serve that registry; name it in REGISTRIES for it to.";
      sendError(exchange, new EntrepotError("NAME_UNKNOWN", problem));
      return;
    }
    if (!isReading(exchange)) {
      const problem = "A mirror takes no pushes and deletions; they go to the registry itself.";
      sendError(exchange, new EntrepotError("UNSUPPORTED", problem), { allow: "GET, HEAD" });
      return;
    }
    // A mirror is there for as long as we are, whatever its registry does.
    if (answerPing(exchange)) return;
    const asked = targetAt(origin, withoutNamespace(target));
    exchange.enter({
      front: name,
      origin,
      target: asked,
      allowPush: false,
      anonymously: true,
      view: createView({ upstream: origin, target: asked, path: (its) => below(its, namespace) }),
    });
    await registry(exchange);
  };
}

/** Where the mirror has what its registry has there: the next page of a list is asked for with `ns` again. */
function below(target: string, namespace: string | undefined): string | undefined {
  if (!target.startsWith("/v2/")) return undefined;
  if (namespace === undefined) return target;
  return `${target}${target.includes("?") ? "&" : "?"}ns=${encodeURIComponent(namespace)}`;
}
