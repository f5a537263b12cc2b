import type { Accounts } from "../auth/accounts.ts";
import { EntrepotError } from "../core/errors.ts";
import type { Exchange, Handler } from "../serve/exchange.ts";
import { sendError } from "../serve/write.ts";
import { answerPing, isReading } from "./ping.ts";

export interface RegistryFrontParts {
  /** Who may use it; undefined: everybody. */
  readonly accounts: Accounts | undefined;
  /** Answers for other registries, below /v2/proxy/. */
  readonly pullThrough: Handler;
  /** Answers for what was pushed here; undefined where nothing is. */
  readonly hosted: Handler | undefined;
}

/** A registry with two jobs: names below `proxy/<host>/` are another registry's, pulled through; all others are its own. */
export function createRegistryFront({ accounts, pullThrough, hosted }: RegistryFrontParts): Handler {
  return async (exchange) => {
    if (!(await isAdmitted(accounts, exchange))) return;
    if (exchange.arrival.target.startsWith("/v2/proxy/")) await pullThrough(exchange);
    else if (hosted !== undefined) await hosted(exchange);
    else withoutStorage(exchange);
  };
}

/** Sends the refusal itself. Basic is what docker login, podman and containerd answer without a token service. */
async function isAdmitted(accounts: Accounts | undefined, exchange: Exchange): Promise<boolean> {
  if (accounts === undefined) return true;
  try {
    if ((await accounts.check(exchange.request.headers.authorization)) !== undefined) return true;
    const problem = "This registry is for its accounts alone: docker login, and a right password.";
    sendError(exchange, new EntrepotError("UNAUTHORIZED", problem), { "www-authenticate": 'Basic realm="entrepot"' });
  } catch (error) {
    sendError(exchange, error);
  }
  return false;
}

function withoutStorage(exchange: Exchange): void {
  if (isReading(exchange) && answerPing(exchange)) return;
  const problem =
    "Nothing is kept here but what is pulled through below proxy/; REGISTRY_STORAGE would make this a registry.";
  sendError(exchange, new EntrepotError("NAME_UNKNOWN", problem));
}
