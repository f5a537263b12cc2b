import { type Accounts, parseBasic } from "../auth/accounts.ts";
import { accessOf, issuedSeconds, type TokenIssuer } from "../auth/issued-token.ts";
import type { TokenSeal } from "../auth/sealed-token.ts";
import type { Clock } from "../core/clock.ts";
import { EntrepotError } from "../core/errors.ts";
import { endToEnd } from "../core/headers.ts";
import type { Origin } from "../core/origin.ts";
import type { Exchange, Handler } from "../serve/exchange.ts";
import { withoutIdentity } from "../serve/identity.ts";
import type { View } from "../serve/view.ts";
import { sendBytes, sendError } from "../serve/write.ts";
import type { Asked, Self } from "./image-upstream.ts";
import type { TokenService } from "./token-service.ts";

export interface AuthEndpointParts {
  /** Of the front. */
  readonly name: string;
  readonly self: Self;
  readonly accounts: Accounts | undefined;
  readonly issuer: TokenIssuer;
  readonly seal: TokenSeal;
  readonly clock: Clock;
  /** What the registry asks for. Rejects as Fetch does where nobody knows. */
  readonly asked: (exchange: Exchange) => Promise<Asked>;
  readonly serviceOf: (asked: Asked) => TokenService | undefined;
  /** Whether a credential of ours is sent to a token service where a client sends none. */
  readonly lendsTo: (service: Origin) => boolean;
  readonly registry: Handler;
}

/**
 * The token endpoint (distribution token specification, "Requesting a Token"): tokens of our own, or those of the registry's service. What a client shows is for that
 * service, unless it is an account of ours, which nobody else is shown.
 */
export function createAuthEndpoint(parts: AuthEndpointParts): Handler {
  const { self, accounts, issuer, clock } = parts;

  const issue = async (exchange: Exchange, subject: string, scopes: readonly string[]): Promise<void> => {
    const token = await issuer.issue(subject, accessOf(scopes));
    const issued = new Date(clock.now()).toISOString();
    const answer = { token, access_token: token, expires_in: issuedSeconds, issued_at: issued };
    const fields = { "content-type": "application/json", "cache-control": "no-store" };
    sendBytes(exchange, 200, fields, JSON.stringify(answer));
  };

  return async (exchange) => {
    exchange.trace.kind = "token";
    const { method } = exchange.trace;
    if (!["GET", "HEAD", "POST"].includes(method)) return refuseMethod(exchange);
    const { authorization } = exchange.request.headers;
    const account = await accounts?.check(authorization);
    if (accounts !== undefined && account === undefined) return refuseAccount(exchange, self);
    const query = queryOf(exchange);
    const scopes = query.getAll("scope");
    const subject = parseBasic(authorization)?.user ?? "";
    // A login to an account is ours to judge, whatever becomes of the registry.
    if (query.get("service") === self.service || (accounts !== undefined && scopes.length === 0)) {
      return method === "POST" ? refuseMethod(exchange) : issue(exchange, subject, scopes);
    }
    const asked = await parts.asked(exchange);
    const service = parts.serviceOf(asked);
    // In whose name: the client's own with the registry, or ours, if we have one to lend, or nobody's.
    const named = accounts === undefined && authorization !== undefined;
    if (service === undefined || (asked.lends && !named)) {
      return method === "POST" ? refuseMethod(exchange) : issue(exchange, subject, scopes);
    }
    if (accounts === undefined && (named || method === "POST")) return ask(parts, exchange, service, query.toString());
    if (method === "POST") return refuseMethod(exchange);
    return ask(parts, exchange, service, namelessQuery(query, parts.lendsTo(service.origin)), sealing(parts));
  };
}

/** Goes to the registry's token service; what it answers may have to be sealed. */
function ask(
  { name, registry }: AuthEndpointParts,
  exchange: Exchange,
  { origin, path }: TokenService,
  query: string,
  view?: View,
): Promise<void> {
  const { headers } = exchange.request;
  exchange.enter({
    front: name,
    origin,
    target: query === "" ? path : `${path}${path.includes("?") ? "&" : "?"}${query}`,
    headers: view === undefined ? headers : withoutIdentity(endToEnd({ ...headers, authorization: undefined })),
    ...(view && { view }),
  });
  return registry(exchange);
}

/** What tells nothing of who asks. Where a credential of ours goes along, a token that can do more than read is not asked for. */
function namelessQuery(query: URLSearchParams, readOnly: boolean): string {
  const kept = new URLSearchParams();
  const service = query.get("service");
  if (service !== null) kept.set("service", service);
  for (const scope of query.getAll("scope")) kept.append("scope", readOnly ? reading(scope) : scope);
  return kept.toString();
}

function reading(scope: string): string {
  return scope
    .split(" ")
    .map((one) => one.replace(/^(repository(?:\([^)]*\))?:.+):[^:]*$/, "$1:pull"))
    .join(" ");
}

/** A token may be used a little longer than its service says, since that one decides; milliseconds. */
const leeway = 60_000;
const longestLife = 24 * 3_600_000;
/** Where the service does not say (token specification, `expires_in`). Seconds. */
const defaultSeconds = 60;

function sealing({ accounts, seal, clock }: AuthEndpointParts): View {
  return {
    fields: (_status, headers) => headers,
    tokens: accounts !== undefined,
    body(kind, status, body) {
      if (kind !== "token" || status !== 200 || typeof body !== "object" || body === null) return body;
      const fields = new Map<string, unknown>(Object.entries(body));
      const seconds = Number(fields.get("expires_in"));
      const life = 1000 * (seconds > 0 && Number.isFinite(seconds) ? seconds : defaultSeconds);
      const until = clock.now() + Math.min(life, longestLife) + leeway;
      for (const name of ["token", "access_token"]) {
        const token = fields.get(name);
        if (typeof token === "string") fields.set(name, seal.seal(token, until));
      }
      fields.delete("refresh_token");
      return Object.fromEntries(fields);
    },
  };
}

function queryOf({ arrival: { target } }: Exchange): URLSearchParams {
  const start = target.indexOf("?");
  return new URLSearchParams(start === -1 ? "" : target.slice(start + 1));
}

/** containerd and BuildKit begin with a POST, and go on with a GET after this. */
function refuseMethod(exchange: Exchange): Promise<void> {
  sendError(exchange, new EntrepotError("METHOD_NOT_ALLOWED", "Tokens are fetched from here by GET."), {
    allow: "GET",
  });
  return Promise.resolve();
}

function refuseAccount(exchange: Exchange, { service }: Self): Promise<void> {
  sendError(exchange, new EntrepotError("UNAUTHORIZED", "No account of this proxy has that user and password."), {
    "www-authenticate": `Basic realm="${service}"`,
  });
  return Promise.resolve();
}
