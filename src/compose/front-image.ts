import { createPlainAccounts } from "../auth/accounts.ts";
import type { Credentials } from "../auth/credentials.ts";
import { createTokenIssuer } from "../auth/issued-token.ts";
import { deriveKey } from "../auth/own-token.ts";
import { createTokenSeal } from "../auth/sealed-token.ts";
import type { FrontEntry } from "../config/fronts.ts";
import type { Clock } from "../core/clock.ts";
import type { Origin } from "../core/origin.ts";
import type { Log } from "../observe/log.ts";
import { createImageProxy } from "../front/image.ts";
import { createAuthEndpoint } from "../front/image-auth.ts";
import { createGate } from "../front/image-gate.ts";
import { createSearch, searchPaths } from "../front/image-search.ts";
import { type Asked, type Self, wantsBasic } from "../front/image-upstream.ts";
import { tokenServiceOf } from "../front/token-service.ts";
import type { Handler } from "../serve/exchange.ts";
import type { Standing } from "../serve/standing.ts";
import type { Fetch } from "../upstream/types.ts";

export interface ImageNeeds {
  /** Answers for a registry; not recorded, since the whole of a front's exchange is. */
  readonly registry: Handler;
  readonly fetch: Fetch;
  readonly standing: Standing;
  readonly credentials: Credentials;
  /** Whether an origin is spoken to in plain HTTP. */
  readonly isPlain: (origin: Origin) => boolean;
  /** INJECT_ON_PUSH. */
  readonly injectOnPush: boolean;
  /** A key of this instance for one purpose; the same after a restart and in every worker. */
  readonly keyFor: (purpose: string) => Buffer;
  readonly clock: Clock;
  readonly log: Log;
}

/** Characters of a SERVER_SECRET that whoever has a token cannot guess. */
const longEnough = 16;

/** An image proxy with accounts, of an entry of the configuration. */
export function imageProxyOf(
  { name, settings }: Extract<FrontEntry, { readonly kind: "image" }>,
  { registry, fetch, standing, credentials, isPlain, injectOnPush, keyFor, clock, log }: ImageNeeds,
): Handler {
  const { upstreamRegistry: upstream, selfRegistry, selfAuthService: service, serverSecret } = settings;
  // An entry without it is refused when the configuration is read.
  const self: Self = { url: selfRegistry ?? upstream, service };
  const secret = serverSecret === undefined ? keyFor(`tokens of the front ${name}`) : Buffer.from(serverSecret);
  if (serverSecret !== undefined && serverSecret.length < longEnough) {
    const problem = `SERVER_SECRET is short: whoever has a token can guess it, and make others. ${longEnough} random characters will do.`;
    log.warn({ event: "short-secret", front: name }, problem);
  }
  const issuer = createTokenIssuer({ secret, issuer: service, clock });
  const seal = createTokenSeal(deriveKey(secret, `tokens lent by the front ${name} for ${upstream.name}`), clock);
  const users = new Set(settings.accounts.map(({ user }) => user));
  const accounts =
    users.size === 0
      ? undefined
      : { ...createPlainAccounts(settings.accounts), has: (user: string): boolean => users.has(user) };
  const lends = credentials(upstream) !== undefined;
  const asked = async ({ signal }: { readonly signal: AbortSignal }): Promise<Asked> => {
    try {
      return { challenge: (await standing(upstream, signal)).challenge, lends };
    } catch (error) {
      // Accounts are ours to judge, whether the registry can be asked or not.
      if (accounts === undefined || signal.aborted) throw error;
      return { challenge: undefined, lends };
    }
  };
  return createImageProxy({
    name,
    upstream,
    self,
    skip: settings.skipAuthProxy,
    gate: createGate({
      accounts,
      issuer,
      seal,
      passesPairs: async (signal) => !lends && wantsBasic((await asked({ signal })).challenge),
    }),
    asked,
    lendsOnPush: lends && injectOnPush,
    auth: createAuthEndpoint({
      name,
      self,
      accounts,
      issuer,
      seal,
      clock,
      asked,
      serviceOf: ({ challenge }) => tokenServiceOf(challenge, settings.authService, isPlain(upstream)),
      lendsTo: (origin) => credentials(origin) !== undefined,
      registry,
    }),
    search: createSearch({ name, upstream, service, fetch }),
    isSearch: (path) => searchPaths.some((one) => one === path),
    registry,
  });
}
