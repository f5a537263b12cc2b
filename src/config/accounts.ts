import { z } from "zod";
import { attempt, type Kind, no, plainText } from "./kind.ts";
import { option } from "./option.ts";
import { path } from "./scalars.ts";

/** Who may use a front. */
export interface Account {
  readonly user: string;
  readonly password: string;
}

const fileEntry = z.strictObject({ user: z.string(), password: z.string() });

/** Nothing of what is refused is repeated. */
export const accounts: Kind<readonly Account[]> = {
  placeholder: "ACCOUNTS",
  expects:
    "base64 of user:password, several between commas; in the file also a list of {user, password}, both of them quoted texts",
  list: false,
  switch: false,
  schema: () =>
    z.union([plainText, z.array(z.unknown())]).transform((given, context) => {
      const entries = typeof given === "string" ? given.split(/[\s,]+/).filter((entry) => entry !== "") : given;
      const users = new Set<string>();
      return entries.map((entry, index) =>
        attempt(
          () => {
            const account = read(entry, `entry ${index + 1}`);
            if (users.has(account.user)) no(`entry ${index + 1} has the user of another one`);
            users.add(account.user);
            return account;
          },
          "",
          context,
        ),
      );
    }),
  show: (values) => values.map(({ user }) => `${user}:***`).join(" "),
};

function read(entry: unknown, place: string): Account {
  if (typeof entry === "string") return decode(entry, place);
  const fields = fileEntry.safeParse(entry);
  return fields.success
    ? valid(fields.data, place)
    : no(`${place} is neither base64 nor {user, password} of two texts`);
}

function decode(text: string, place: string): Account {
  const bytes = /^[A-Za-z0-9+/]+={0,2}$/.test(text) ? Buffer.from(text, "base64") : Buffer.alloc(0);
  const decoded = bytes.toString("utf8");
  const colon = decoded.indexOf(":");
  // RFC 7617 §2: the first colon ends the user.
  if (colon === -1 || decoded.includes("\u{fffd}")) no(`${place} is not the base64 of user:password`);
  return valid({ user: decoded.slice(0, colon), password: decoded.slice(colon + 1) }, place);
}

function valid(account: Account, place: string): Account {
  if (account.user === "" || account.user.includes(":")) no(`${place} has no user, or one with a colon`);
  if (account.password === "") no(`${place} has no password`);
  // RFC 7617 §2: neither has any.
  if (/\p{Cc}/u.test(account.user + account.password))
    no(`${place} holds a control character, such as the line feed that echo adds`);
  return account;
}

/** Options of fronts that are for accounts alone. */
export const accountOptions = {
  accounts: option({
    group: "Fronts",
    kind: accounts,
    default: "",
    secret: true,
    otherwise: "everybody",
    help: "Who may use the registry or the image proxy: base64 of user:password, several between commas.",
  }),
};

export const htpasswdOptions = {
  htpasswdFile: option({
    group: "Fronts",
    kind: path,
    help: "Who may use the registry, as htpasswd -B writes it (bcrypt). It is read again when it changes.",
  }),
};
