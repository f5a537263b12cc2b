import { z } from "zod";
import { EntrepotError } from "../core/errors.ts";
import { durationGrammar, formatDuration, parseDuration, parseSize, sizeGrammar } from "../core/units.ts";
import { type Origin, originOfUrl } from "../core/origin.ts";
import { type Kind, no, plainText, quote, single } from "./kind.ts";
import { compileTagPattern } from "./pcre.ts";

const truths: Readonly<Record<string, boolean>> = {
  true: true,
  yes: true,
  on: true,
  "1": true,
  false: false,
  no: false,
  off: false,
  "0": false,
};

export const boolean: Kind<boolean> = {
  ...single({
    placeholder: "BOOLEAN",
    expects: "true or false (also yes, no, on, off, 1, 0)",
    parse: (text) => truths[text.toLowerCase()],
    show: String,
  }),
  switch: true,
};

/** Bytes. */
export const size: Kind<number> = single({
  placeholder: "SIZE",
  expects: sizeGrammar,
  parse: (text) => {
    const value = parseSize(text);
    return value === 0 ? no(`${quote(text)} is too small`) : value;
  },
});

/** Likewise, and 0 turns off what it asks for. */
export const sizeOrZero: Kind<number> = single({ placeholder: "SIZE", expects: sizeGrammar, parse: parseSize });

/** Node's timers hold 2^31-1 ms and fire at once for more. */
const longestTimer = 24 * 86_400_000;

/** Milliseconds, between bounds. */
export function duration(shortest: number, longest: number = Number.MAX_SAFE_INTEGER): Kind<number> {
  const least = shortest === 0 ? "" : `; at least ${formatDuration(shortest)}`;
  const most =
    longest === Number.MAX_SAFE_INTEGER ? "" : `${least === "" ? ";" : ","} at most ${formatDuration(longest)}`;
  return single({
    placeholder: "TIME",
    expects: `${durationGrammar}${least}${most}`,
    parse: (text) => {
      const value = parseDuration(text);
      if (value === undefined) return undefined;
      if (value < shortest) no(`${quote(text)} is too short`);
      return value > longest ? no(`${quote(text)} is too long`) : value;
    },
  });
}

/** Milliseconds that a timer can run. */
export const timeout: Kind<number> = duration(1, longestTimer);

/** Likewise, and 0 turns off what it limits. */
export const timeoutOrZero: Kind<number> = duration(0, longestTimer);

export const path: Kind<string> = single({
  placeholder: "PATH",
  expects: "a path",
  parse: (text) => (text === "" || text.includes("\0") ? undefined : text),
});

/** Any text but the empty one, blanks included. */
export const delimiter: Kind<string> = {
  placeholder: "TEXT",
  expects: "any text but the empty one",
  list: false,
  switch: false,
  schema: () => z.string().refine((text) => text !== "", "the empty text is not accepted"),
  show: (value) => JSON.stringify(value),
};

export function choice<const T extends string>(...values: readonly T[]): Kind<T> {
  return single({
    placeholder: values.length > 3 ? "NAME" : values.join("|"),
    expects: `one of ${values.join(", ")}`,
    parse: (text) => values.find((value) => value === text.toLowerCase()),
  });
}

export const tagPattern: Kind<RegExp> = single({
  placeholder: "REGEX",
  expects: "a PCRE that JavaScript's regular expressions can express",
  parse: (text) => {
    try {
      return compileTagPattern(text);
    } catch (error) {
      if (!(error instanceof EntrepotError)) throw error;
      return no(`${quote(text)} is not accepted, ${error.message}`);
    }
  },
});

/** Scheme and authority of a registry: what stands before /v2/ is its own. */
export const registryUrl: Kind<Origin> = single({
  placeholder: "URL",
  expects:
    "the https:// or http:// URL of a registry, without a path, such as https://registry-1.docker.io; without a scheme it is https",
  parse: (text) => {
    const full = /^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `https://${text}`;
    if (!URL.canParse(full)) return undefined;
    const url = new URL(full);
    if (url.username !== "" || url.password !== "") return no("its value (not shown) holds a user or password");
    return url.pathname === "/" && url.search === "" && url.hash === "" ? originOfUrl(url) : undefined;
  },
  show: ({ scheme, authority }) => `${scheme}://${authority}`,
});

/** An address of a proxy, with or without a user. Nothing of one that is refused is repeated: it may hold a password. */
export const proxyUrl: Kind<string> = {
  ...single({
    placeholder: "URL",
    expects:
      "a URL of http, https, socks4, socks4a, socks5, socks5h, pac+http, pac+https or pac+file, such as http://user:password@proxy:3128",
    parse: (text) => {
      const url = URL.canParse(text) ? new URL(text) : no("its value (not shown) is not a URL");
      const known = /^(?:https?|socks(?:4a?|5h?)|pac\+(?:https?|file)):$/.test(url.protocol);
      if (!known || !/^[a-z0-9+]+:\/\//i.test(text)) no("its value (not shown) begins with none of the known schemes");
      if (url.hostname === "" && url.protocol !== "pac+file:") no("its value (not shown) has no host");
      if (url.port === "0") no("its value (not shown) has no usable port");
      return text;
    },
  }),
  show: showProxy,
};

/** Scheme, host and port; a user, a password, a path or a query may be secret. */
function showProxy(text: string): string {
  const { protocol, host, username, password, pathname, search } = new URL(text);
  const user = username === "" && password === "" ? "" : "***@";
  return `${protocol}//${user}${host}${pathname.length > 1 || search !== "" ? "/***" : ""}`;
}

/** Hosts between commas or blanks, as every program reads NO_PROXY. */
export const noProxy: Kind<string> = {
  placeholder: "HOSTS",
  expects: "hosts, .domains, addresses or blocks between commas, or *",
  list: true,
  switch: false,
  schema: () => z.union([plainText, z.array(plainText).transform((hosts) => hosts.join(","))]),
};
