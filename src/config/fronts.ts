import { z } from "zod";
import { type HostPort, parseHostPort } from "../core/origin.ts";
import { accountOptions, htpasswdOptions } from "./accounts.ts";
import { imageOptions } from "./front-image.ts";
import { domainOptions } from "./front-domain.ts";
import { mirrorOptions } from "./front-mirror.ts";
import { zotOptions } from "./front-zot.ts";
import { attempt, type Kind, no, type Peer, quote } from "./kind.ts";
import type { Option } from "./option.ts";

/** The options of each kind of front: they stand among the others for the one front that flags and variables make, and in entries of `fronts`. */
export const frontTables = {
  mirror: mirrorOptions,
  registry: { ...accountOptions, ...htpasswdOptions },
  image: imageOptions,
  domain: domainOptions,
  zot: zotOptions,
} as const;

export type FrontKind = keyof typeof frontTables;

type Table = Readonly<Record<string, Option<unknown>>>;

/** The values of a table of options. */
export type SettingsOf<T extends Table> = {
  readonly [Name in keyof T]: T[Name] extends Option<infer Value> ? Value : never;
};

/** A front that is to be. */
export type FrontEntry = {
  readonly [Which in FrontKind]: {
    readonly kind: Which;
    /** Unique; a label in the log and the metrics. */
    readonly name: string;
    /** The Host names that it answers to, and to all their paths; none: what no other front is named for. */
    readonly hosts: readonly HostPort[];
    readonly settings: SettingsOf<(typeof frontTables)[Which]>;
    /** Whether nobody asked for it, so that it gives way to what others answer. */
    readonly implicit: boolean;
  };
}[FrontKind];

/** Settings without which a front of a kind is none. */
const required: Readonly<Record<FrontKind, readonly string[]>> = {
  mirror: [],
  registry: [],
  image: ["selfRegistry"],
  domain: ["registryHost"],
  zot: ["zotUrl"],
};

const kinds = Object.keys(frontTables).filter((kind): kind is FrontKind => kind in frontTables);
const nameGrammar = /^[a-z0-9][a-z0-9-]{0,31}$/;

/** FRONTS of the file: entries of `front: KIND`, `name`, `hosts`, and the options of the kind. */
export const fronts: Kind<readonly FrontEntry[]> = {
  placeholder: "LIST",
  expects: `a list of {front: ${kinds.join(" | ")}, name, hosts, and the options of such a front}`,
  list: false,
  switch: false,
  schema: (peer: Peer) =>
    z
      .union([z.literal(""), z.array(z.unknown())])
      .transform((given, context) =>
        given === "" ? [] : given.flatMap((entry, index) => entryOf(entry, `entry ${index + 1}`, peer, context) ?? []),
      ),
  show: (entries) => entries.map(({ kind, name }) => (kind === name ? kind : `${name} (${kind})`)).join(" "),
};

function entryOf(given: unknown, place: string, peer: Peer, context: z.RefinementCtx): FrontEntry | undefined {
  const fields = z.record(z.string(), z.unknown()).safeParse(given);
  const complain = (problem: string): void => context.addIssue({ code: "custom", message: `${place}: ${problem}` });
  if (!fields.success) {
    complain("it is no map of options");
    return undefined;
  }
  const { front, name = front, hosts = [], ...others } = fields.data;
  const kind = kinds.find((known) => known === front);
  if (kind === undefined) {
    complain(`front is ${quote(front)}; it may be one of ${kinds.join(", ")}`);
    return undefined;
  }
  if (typeof name !== "string" || !nameGrammar.test(name)) {
    complain(`name is ${quote(name)}; it may be up to 32 lower-case letters, digits and '-'`);
    return undefined;
  }
  const named = attempt(() => hostsOf(hosts, `${place} (${name})`), "", context);
  const settings = settingsOf(frontTables[kind], others, peer, (problem) => complain(`(${name}) ${problem}`));
  for (const option of required[kind])
    if (settings[option] === undefined) complain(`(${name}) ${option} is missing; a front of this kind needs it`);
  // Each value was read by its own option's kind, which the table of kinds says and a loop over it cannot.
  return { kind, name, hosts: named, settings, implicit: false } as unknown as FrontEntry;
}

function hostsOf(given: unknown, place: string): HostPort[] {
  const list: readonly unknown[] = Array.isArray(given) ? given : String(given).split(/\s+/);
  return list.map((one) => {
    const host = typeof one === "string" ? parseHostPort(one) : undefined;
    return host ?? no(`${place}: hosts has ${quote(one)}; it may be a list of host or host:port`);
  });
}

function settingsOf(
  table: Table,
  given: Readonly<Record<string, unknown>>,
  peer: Peer,
  complain: (problem: string) => void,
): Record<string, unknown> {
  for (const key of Object.keys(given))
    if (!Object.hasOwn(table, key))
      complain(`it has no option ${quote(key)}; it may have ${Object.keys(table).join(", ")}`);
  const settings: Record<string, unknown> = {};
  for (const [name, { kind, default: otherwise, secret }] of Object.entries(table)) {
    const value = given[name] ?? otherwise;
    if (value === undefined || value === null) continue;
    const read = kind.schema(peer).safeParse(value);
    if (read.success) settings[name] = read.data;
    for (const issue of read.error?.issues ?? []) {
      const shown = secret ? "its value (not shown)" : quote(value);
      complain(
        `${name}: ${issue.code === "custom" ? issue.message : `${shown} is not accepted`}; it may be ${kind.expects}`,
      );
    }
  }
  return settings;
}
