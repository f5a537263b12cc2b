import { Readable } from "node:stream";
import { EntrepotError } from "../core/errors.ts";
import { type Origin, originOfUrl } from "../core/origin.ts";
import { readShort } from "../core/short-body.ts";
import type { Credential } from "./credentials.ts";

/** One request to a token service and what it said. Distribution's token specification, and its OAuth2 variant. */

/** The way to the token service: one request, no redirects, no credentials but what is given. `upstream` implements it. */
export type SendBare = (request: {
  readonly origin: Origin;
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string | string[]>>;
  readonly authorization: string | undefined;
  readonly scope: undefined;
  readonly body?: Readable;
  readonly redirects: "pass";
  readonly signal: AbortSignal;
}) => Promise<{ readonly status: number; readonly body: Readable }>;

/** Where a token service is, parsed once for all requests to it; plain data, which processes can share. */
export interface Realm {
  /** Without user, password and fragment. */
  readonly href: string;
  readonly origin: Origin;
}

export interface TokenRequest {
  readonly realm: Realm;
  readonly service: string | undefined;
  /** Several scopes are separated by spaces. */
  readonly scope: string | undefined;
  readonly credential: Credential | undefined;
}

export interface IssuedToken {
  readonly token: string;
  /** Milliseconds it is good for from when it was issued. */
  readonly lifetime: number;
  /** Milliseconds since the epoch, as the service says. */
  readonly issued: number | undefined;
}

/** What a token lives where the service does not say (token specification, `expires_in`). */
const defaultSeconds = 60;
/** Tokens with many scopes have some kilobytes. */
const longestAnswer = 1024 * 1024;

/** Of a challenge's `realm`; undefined where it is no http or https URL. */
export function realmOf(text: string | undefined): Realm | undefined {
  const url = text !== undefined && URL.canParse(text) ? new URL(text) : undefined;
  const origin = url && originOfUrl(url);
  if (url === undefined || origin === undefined) return undefined;
  url.username = url.password = url.hash = "";
  return { href: url.href, origin };
}

/**
 * A token, or undefined where the service refuses one. Rejects with UPSTREAM_UNREACHABLE where it is out of order, UPSTREAM_PROTOCOL where it
 * answers something else than a token, and as the fetch does.
 */
export async function exchange(
  send: SendBare,
  request: TokenRequest,
  signal: AbortSignal,
): Promise<IssuedToken | undefined> {
  const { host } = request.realm.origin;
  let answer = await get(send, request, signal);
  // A service that only knows OAuth2 has no GET.
  if (
    (answer.status === 404 || answer.status === 405) &&
    request.credential !== undefined &&
    request.credential.user !== ""
  ) {
    answer.body.destroy();
    answer = await post(send, request, request.credential, signal);
  }
  const { status, body } = answer;
  if (status === 200) return parseToken(await read(body, host), host);
  body.destroy();
  if (status === 429 || status >= 500) {
    throw new EntrepotError("UPSTREAM_UNREACHABLE", `The token service ${host} answered ${status}.`);
  }
  if (status >= 400) return undefined;
  throw new EntrepotError("UPSTREAM_PROTOCOL", `The token service ${host} answered ${status} instead of a token.`);
}

function get(send: SendBare, request: TokenRequest, signal: AbortSignal) {
  const { href, origin } = request.realm;
  const url = new URL(href);
  if (request.service !== undefined) url.searchParams.set("service", request.service);
  for (const scope of request.scope?.split(" ") ?? []) if (scope !== "") url.searchParams.append("scope", scope);
  return send({
    origin,
    method: "GET",
    path: url.pathname + url.search,
    headers: { accept: "application/json", "accept-encoding": "identity" },
    authorization: request.credential?.basic,
    scope: undefined,
    redirects: "pass",
    signal,
  });
}

function post(send: SendBare, request: TokenRequest, credential: Credential, signal: AbortSignal) {
  const { href, origin } = request.realm;
  const { pathname, search } = new URL(href);
  const form = new URLSearchParams({ grant_type: "password", client_id: "entrepot" });
  if (request.service !== undefined) form.set("service", request.service);
  if (request.scope !== undefined) form.set("scope", request.scope);
  form.set("username", credential.user);
  form.set("password", credential.password);
  const bytes = Buffer.from(form.toString());
  return send({
    origin,
    method: "POST",
    path: pathname + search,
    headers: {
      accept: "application/json",
      "accept-encoding": "identity",
      "content-type": "application/x-www-form-urlencoded",
      "content-length": String(bytes.length),
    },
    authorization: undefined,
    scope: undefined,
    body: Readable.from([bytes]),
    redirects: "pass",
    signal,
  });
}

async function read(body: Readable, host: string): Promise<string> {
  const refuse = (): Error => notToken(host);
  try {
    return (await readShort(body, { limit: longestAnswer, tooLong: refuse, cut: refuse })).toString("utf8");
  } catch (error) {
    body.destroy();
    throw error;
  }
}

/** The answer itself is not repeated in an error: it may hold the token. */
function parseToken(text: string, host: string): IssuedToken {
  let answer: unknown;
  try {
    answer = JSON.parse(text);
  } catch {
    throw notToken(host);
  }
  const fields = new Map<string, unknown>(typeof answer === "object" && answer !== null ? Object.entries(answer) : []);
  const token = [fields.get("token"), fields.get("access_token")].find(
    (value) => typeof value === "string" && /^[\x21-\x7e]+$/.test(value),
  );
  if (typeof token !== "string") throw notToken(host);
  const seconds = Number(fields.get("expires_in"));
  const issued = fields.get("issued_at");
  const time = typeof issued === "string" ? Date.parse(issued) : Number.NaN;
  return {
    token,
    lifetime: 1000 * (seconds > 0 && Number.isFinite(seconds) ? seconds : defaultSeconds),
    issued: Number.isNaN(time) ? undefined : time,
  };
}

function notToken(host: string): EntrepotError {
  return new EntrepotError("UPSTREAM_PROTOCOL", `The token service ${host} answered something that is no token.`);
}
