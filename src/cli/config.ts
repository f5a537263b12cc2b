import { frontLines } from "../config/front-lines.ts";
import type { LoadedConfig } from "../config/load.ts";
import { groups, nameOf } from "../config/option.ts";
import { optionTable } from "../config/schema.ts";
import type { Output } from "./io.ts";

/** `entrepot config`: every effective value and where it came from, secrets as `***`, and what the fronts map to. */
export function showConfig({ config, sources }: LoadedConfig, out: Output): number {
  const width = Math.max(...optionTable.map(([name, declared]) => nameOf(name, declared).length)) + 2;
  const lines = groups.flatMap((group) => [
    `# ${group}`,
    ...optionTable
      .filter(([, declared]) => declared.group === group)
      .map(([name, declared]) => {
        const { value, source } = sources[name];
        return `${nameOf(name, declared).padEnd(width)}${source.padEnd(13)}${value}`;
      }),
    "",
  ]);
  const fronts = frontLines(config).map(({ name, hosts, to }) => `${name.padEnd(width)}${hosts.padEnd(13)}${to}`);
  out.write(`${[...lines, "# What the fronts answer", ...fronts].join("\n")}\n`);
  return 0;
}
