import { frontsOf } from "./front-entries.ts";
import type { Config, OptionName } from "./schema.ts";

/** What the options of an image proxy say against each other, one line each. */
export function imageContradictions(config: Partial<Config>, nameOf: (option: OptionName) => string): string[] {
  const problems: string[] = [];
  const fronts = frontsOf(config);
  const own = fronts.filter((entry) => config.fronts?.includes(entry) !== true);
  if ((config.accounts ?? []).length > 0 && !own.some(({ kind }) => kind === "image" || kind === "registry"))
    problems.push(
      `${nameOf("accounts")}: it is set without ${nameOf("selfRegistry")} or ${nameOf("registryStorage")}, so that there is nothing that the accounts could be for; set one of them, or none of the three`,
    );
  for (const entry of fronts) {
    if (entry.kind !== "image") continue;
    const { accounts, skipAuthProxy } = entry.settings;
    const place = config.fronts?.includes(entry) === true ? `${nameOf("fronts")}: (${entry.name}) ` : "";
    // A variable that could not be read is missing here.
    if (skipAuthProxy && (accounts ?? []).length > 0)
      problems.push(
        `${place}${place === "" ? nameOf("skipAuthProxy") : "skipAuthProxy"}: it is true, so that clients are sent past this proxy for their tokens, and no account could be asked for; it may be false, or ${place === "" ? nameOf("accounts") : "accounts"} empty`,
      );
  }
  return problems;
}
