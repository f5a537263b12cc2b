import type { Given } from "./given.ts";
import { variableOf } from "./option.ts";
import { type OptionName, optionTable } from "./schema.ts";

export type Environment = Readonly<Record<string, string | undefined>>;

/** Set by convention in lower case too; curl and Go read both. */
const eitherCase: ReadonlySet<OptionName> = new Set(["httpsProxy", "httpProxy", "allProxy", "noProxy"]);

/** For these a blank is a value. */
const blankCounts: ReadonlySet<OptionName> = new Set(["authRegistriesDelimiter", "authRegistryDelimiter"]);

/** What the environment says. A variable that is set but empty counts as unset; variables that are no option's are not ours. */
export function readEnvironment(env: Environment): ReadonlyMap<OptionName, Given> {
  const given = new Map<OptionName, Given>();
  for (const [option, declared] of optionTable) {
    if (declared.from === "file") continue;
    const variable = variableOf(option);
    const names = eitherCase.has(option) ? [variable, variable.toLowerCase()] : [variable];
    const name = names.find((candidate) => isSet(env[candidate], blankCounts.has(option)));
    if (name !== undefined) given.set(option, { value: env[name], name });
  }
  return given;
}

function isSet(value: string | undefined, blank: boolean): boolean {
  return value !== undefined && (blank ? value : value.trim()) !== "";
}
