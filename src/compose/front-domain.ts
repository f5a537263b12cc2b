import { readFile } from "node:fs/promises";
import { type Credential, credentialOf, credentialOfHeader, type LentCredentials } from "../auth/credentials.ts";
import { frontsOf } from "../config/front-entries.ts";
import type { FrontEntry } from "../config/fronts.ts";
import type { Config } from "../config/schema.ts";
import { EntrepotError } from "../core/errors.ts";
import { makeOrigin, type Origin } from "../core/origin.ts";
import { registryHostOf } from "../front/docker-hub.ts";
import type { DomainParts } from "../front/domain.ts";
import { createPrefix } from "../front/prefix.ts";
import { tokenServiceOf } from "../front/token-service.ts";
import type { Standing } from "../serve/standing.ts";

type DomainEntry = Extract<FrontEntry, { kind: "domain" }>;

export interface DomainNeeds {
  readonly standing: Standing;
  readonly isPlain: (origin: Origin) => boolean;
}

/** What a custom-domain front's options say of it. */
export function domainOf(
  entry: DomainEntry,
  { standing, isPlain }: DomainNeeds,
): Pick<DomainParts, "name" | "upstream" | "prefix" | "browse" | "blobs" | "tokenService"> {
  const { name, settings } = entry;
  const { registryHost, repoPrefix, disableBrowserRedirects, blobs } = settings;
  // The configuration refuses such a front without it.
  if (registryHost === undefined) throw new EntrepotError("INTERNAL", "A custom-domain front has no registry.");
  const { scheme, host, port, authority } = registryHost;
  const upstream = makeOrigin(scheme, registryHostOf(host), port, isLent(entry) ? name : undefined);
  const home = `${scheme}://${authority}${repoPrefix === "" ? "" : `/${repoPrefix}`}`;
  return {
    name,
    upstream,
    prefix: createPrefix(repoPrefix),
    browse: disableBrowserRedirects ? undefined : home,
    blobs,
    async tokenService(signal) {
      const { challenge } = await standing(upstream, signal);
      return tokenServiceOf(challenge, undefined, isPlain(upstream));
    },
  };
}

function isLent({ settings }: DomainEntry): boolean {
  return settings.authHeader !== undefined || settings.googleApplicationCredentials !== undefined;
}

/** The credentials that fronts read their registries with. Rejects with CONFIG_INVALID where a key's file is none. */
export async function lentCredentials(config: Config): Promise<LentCredentials> {
  const lent = new Map<string, Credential>();
  for (const entry of frontsOf(config)) {
    if (entry.kind !== "domain") continue;
    const { authHeader, googleApplicationCredentials: file } = entry.settings;
    if (authHeader !== undefined) lent.set(entry.name, credentialOfHeader(`front ${entry.name}`, authHeader));
    else if (file !== undefined)
      lent.set(entry.name, credentialOf(`front ${entry.name}`, "_json_key", await readKey(file)));
  }
  return lent;
}

/** A service account's key is the password of `_json_key`, as it stands in its file. Nothing of it is repeated. */
async function readKey(path: string): Promise<string> {
  let key: string;
  try {
    key = (await readFile(path, "utf8")).trim();
  } catch (cause) {
    throw refused(`${path} cannot be read`, cause);
  }
  try {
    const parsed: unknown = JSON.parse(key);
    if (typeof parsed === "object" && parsed !== null && "private_key" in parsed) return key;
  } catch {
    // Said below.
  }
  throw refused(`${path} holds no such key`);
}

function refused(problem: string, cause?: unknown): EntrepotError {
  const whole = `GOOGLE_APPLICATION_CREDENTIALS: ${problem}; it may be the JSON key file of a service account.`;
  return new EntrepotError("CONFIG_INVALID", whole, { cause });
}
