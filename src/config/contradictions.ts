import { resolve } from "node:path";
import { authority } from "./credentials.ts";
import { imageContradictions } from "./front-image-contradictions.ts";
import { frontConflicts } from "./front-claims.ts";
import { frontsOf } from "./front-entries.ts";
import type { Config, OptionName } from "./schema.ts";

/** What was read so far: an option that could not be read is missing. */
export type PartialConfig = Partial<Config>;

/** What each option is called in a message: by the name under which it was set. */
export type NameOf = (option: OptionName) => string;

/** What the options say against each other, one line each. */
export function contradictions(config: PartialConfig, nameOf: NameOf): string[] {
  return [
    ...halfOwnCa(config, nameOf),
    ...nowhere(config, nameOf),
    ...samePorts(config, nameOf),
    ...sameDelimiters(config, nameOf),
    ...twoCredentials(config, nameOf),
    ...twoTargets(config, nameOf),
    ...imageContradictions(config, nameOf),
    ...unusedUsers(config, nameOf),
    ...frontless(config, nameOf),
    ...frontConflicts(frontsOf(config)).map((problem) => `${nameOf("fronts")}: ${problem}`),
    ...sharedStorage(config, nameOf),
  ];
}

/** Options that say nothing unless there is a front, and that nobody sets for anything else. */
function frontless(config: PartialConfig, nameOf: NameOf): string[] {
  if (config.registryHost !== undefined) return [];
  const set = (["repoPrefix", "authHeader"] as const).filter((name) => (config[name] ?? "") !== "");
  return set.map((name) => `${nameOf(name)}: it is set without ${nameOf("registryHost")}; both may be set, or neither`);
}

function halfOwnCa({ caCrtFile, caKeyFile }: PartialConfig, nameOf: NameOf): string[] {
  if ((caCrtFile === undefined) === (caKeyFile === undefined)) return [];
  const [set, missing] =
    caCrtFile === undefined ? (["caKeyFile", "caCrtFile"] as const) : (["caCrtFile", "caKeyFile"] as const);
  return [`${nameOf(set)}: it is set without ${nameOf(missing)}; both may be set, or neither`];
}

function nowhere({ host, port, tlsPort }: PartialConfig, nameOf: NameOf): string[] {
  const problems: string[] = [];
  if (host?.length === 0) problems.push(`${nameOf("host")}: it is empty; it may be one address or several`);
  if (port?.length === 0 && tlsPort?.length === 0) {
    problems.push(`${nameOf("port")}: it is empty, and so is ${nameOf("tlsPort")}; one of them may be, not both`);
  }
  return problems;
}

function samePorts(config: PartialConfig, nameOf: NameOf): string[] {
  const used = new Map<number, OptionName>();
  const claims: readonly (readonly [OptionName, readonly number[]])[] = [
    ["port", config.port ?? []],
    ["tlsPort", config.tlsPort ?? []],
    ["debugPort", config.debug === true && config.debugPort !== undefined ? [config.debugPort] : []],
    ["debugHubPort", config.debugHub === true && config.debugHubPort !== undefined ? [config.debugHubPort] : []],
  ];
  const problems: string[] = [];
  for (const [option, ports] of claims) {
    for (const port of ports) {
      const other = used.get(port);
      if (port !== 0 && other !== undefined)
        problems.push(`${nameOf(option)}: ${port} is ${nameOf(other)} too; each may be a port of its own`);
      used.set(port, option);
    }
  }
  return problems;
}

function sameDelimiters(config: PartialConfig, nameOf: NameOf): string[] {
  const { authRegistriesDelimiter: entries, authRegistryDelimiter: parts } = config;
  if (entries === undefined || parts === undefined || !parts.includes(entries)) return [];
  return [
    `${nameOf("authRegistryDelimiter")}: ${JSON.stringify(parts)} contains ${nameOf("authRegistriesDelimiter")}, ${JSON.stringify(entries)}; it may be any text without it`,
  ];
}

function twoCredentials(config: PartialConfig, nameOf: NameOf): string[] {
  const hosts = (config.authRegistries ?? []).map(({ host, port }) => authority(host, port));
  return repeated(hosts).map(
    (host) => `${nameOf("authRegistries")}: two entries are for ${host}; each host may have one`,
  );
}

function twoTargets(config: PartialConfig, nameOf: NameOf): string[] {
  const hosts = (config.hostMap ?? []).map(({ host, port }) => authority(host, port));
  return repeated(hosts).map((host) => `${nameOf("hostMap")}: two entries are for ${host}; each host may have one`);
}

function sharedStorage(config: PartialConfig, nameOf: NameOf): string[] {
  const { registryStorage, temporaryRegistryStorage, cacheDir } = config;
  const problems: string[] = [];
  if (registryStorage !== undefined && cacheDir !== undefined && resolve(registryStorage) === resolve(cacheDir)) {
    problems.push(`${nameOf("registryStorage")}: it is ${nameOf("cacheDir")} too; each may be a directory of its own`);
  }
  if (registryStorage === undefined && temporaryRegistryStorage !== undefined) {
    problems.push(
      `${nameOf("temporaryRegistryStorage")}: it is set without ${nameOf("registryStorage")}; both may be set, or that one alone`,
    );
  }
  return problems;
}

/** Whoever names users takes something for closed. An entry of `fronts` has users of its own. */
function unusedUsers(config: PartialConfig, nameOf: NameOf): string[] {
  const { htpasswdFile, fronts = [] } = config;
  const used = frontsOf(config).some((entry) => entry.kind === "registry" && !fronts.includes(entry));
  if (htpasswdFile === undefined || used) return [];
  return [
    `${nameOf("htpasswdFile")}: no front has these users; ${nameOf("registryStorage")} or ${nameOf("proxyStorage")} makes one, and an entry of fronts has a file of its own`,
  ];
}

function repeated(texts: readonly string[]): string[] {
  return [...new Set(texts.filter((text, index) => texts.indexOf(text) !== index))];
}
