import { z } from "zod";
import { type HostPort, parseHostPort } from "../core/origin.ts";
import { attempt, type Kind, no, type Peer, plainText } from "./kind.ts";

/** A user and password for exactly one host. */
export interface RegistryCredential {
  readonly host: string;
  /** Undefined: any. */
  readonly port: number | undefined;
  readonly user: string;
  readonly password: string;
}

/** How a registry is reached, beyond its name. */
export interface UpstreamSettings {
  readonly host: string;
  /** Undefined: any. */
  readonly port: number | undefined;
  /** Spoken to over HTTP, whatever the client used. */
  readonly plainHttp: boolean;
  /** Its certificate is not checked. */
  readonly insecure: boolean;
}

/** A host that stands for itself: credentials are sent to exactly one. */
function exactHost(text: string): HostPort | undefined {
  const parsed = parseHostPort(text);
  return parsed !== undefined && /^[a-z0-9_.:-]+$/.test(parsed.host) ? parsed : undefined;
}

/**
 * One `host:user:password`. The password keeps the delimiter's characters. With ":" a port of the host looks like a part: a second part that
 * is a port counts as one if two more follow, since `host:user:password` alone has been written for years and needs no such reading.
 * Ends with `no`, never with a word of the entry.
 */
export function parseCredential(entry: string, delimiter: string, place: string): RegistryCredential {
  // An IPv6 address holds the delimiter too.
  const bracketed = /^\[[^\]]*\]/.exec(entry)?.[0] ?? "";
  const [rest, ...parts] = entry.slice(bracketed.length).split(delimiter);
  let host = bracketed + (rest ?? "");
  if (delimiter === ":" && parts.length >= 3 && isPort(parts[0])) host += `:${parts.shift()}`;
  const [user = "", ...password] = parts;
  if (password.length === 0) no(`${place} has fewer than three parts`);
  return credential({ host, user, password: password.join(delimiter) }, place);
}

function isPort(text: string | undefined): boolean {
  return text !== undefined && /^[1-9]\d{0,4}$/.test(text) && Number(text) <= 65535;
}

function credential(given: { host: string; user: string; password: string }, place: string): RegistryCredential {
  const host = exactHost(given.host.trim()) ?? no(`${place} has no host or host:port in front`);
  // RFC 7617 §2: a user-id with a colon cannot be sent in Basic.
  if (given.user === "" || given.user.includes(":")) no(`${place} has no user, or one with a colon`);
  // https://host:user:password is host "https" and user "//host" to the letter.
  if (given.user.startsWith("//")) no(`${place} has a URL in front, not a host`);
  if (given.password === "") no(`${place} has no password`);
  return { ...host, user: given.user, password: given.password };
}

const fileEntry = z.strictObject({ host: z.string(), user: z.string(), password: z.string() });

/** Nothing of what is refused is repeated: a host that was cut out wrongly may be a password. */
export const credentials: Kind<readonly RegistryCredential[]> = {
  placeholder: "CREDENTIALS",
  expects:
    "host:user:password entries, parted as AUTH_REGISTRIES_DELIMITER and AUTH_REGISTRY_DELIMITER say; in the file also a list of {host, user, password}, all of them quoted texts",
  list: false,
  switch: false,
  schema: (peer: Peer) =>
    z
      .union([plainText, z.array(z.unknown())])
      .transform((given, context) =>
        typeof given === "string"
          ? splitEntries(given, peer("authRegistriesDelimiter")).map((entry, index) =>
              attempt(() => parseCredential(entry, peer("authRegistryDelimiter"), `entry ${index + 1}`), "", context),
            )
          : given.map((entry, index) => attempt(() => fromFile(entry, `entry ${index + 1}`), "", context)),
      ),
  show: (values) => values.map(({ host, port, user }) => `${authority(host, port)}:${user}:***`).join(" "),
};

function splitEntries(text: string, delimiter: string): string[] {
  return text
    .split(delimiter)
    .map((entry) => entry.trim())
    .filter((entry) => entry !== "");
}

function fromFile(entry: unknown, place: string): RegistryCredential {
  const read = fileEntry.safeParse(entry);
  return read.success ? credential(read.data, place) : no(`${place} is not {host, user, password} of three texts`);
}

/** A host with its port, as it stands in a URL. */
export function authority(host: string, port: number | undefined): string {
  const bracketed = host.includes(":") ? `[${host}]` : host;
  return port === undefined ? bracketed : `${bracketed}:${port}`;
}

const settings = z.strictObject({ plainHttp: z.boolean().default(false), insecure: z.boolean().default(false) });

export const upstreamSettings: Kind<readonly UpstreamSettings[]> = {
  placeholder: "MAP",
  expects: "a map of host[:port] to {plainHttp: true or false, insecure: true or false}",
  list: false,
  switch: false,
  schema: () =>
    z
      .union([z.literal(""), z.record(z.string(), z.unknown())])
      .transform((given, context) =>
        Object.entries(given).map(([name, value]) => attempt(() => upstream(name, value), name, context)),
      ),
  show: (values) =>
    values
      .map(({ host, port, plainHttp, insecure }) => {
        const traits = [...(plainHttp ? ["plainHttp"] : []), ...(insecure ? ["insecure"] : [])];
        return `${authority(host, port)}=${traits.join("+") || "default"}`;
      })
      .join(" "),
};

function upstream(name: string, value: unknown): UpstreamSettings | undefined {
  const host = exactHost(name);
  if (host === undefined) return undefined;
  const read = settings.safeParse(value);
  if (!read.success) no(`the entry ${JSON.stringify(name)} has other keys or values`);
  return { ...host, ...read.data };
}
