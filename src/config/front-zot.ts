import { z } from "zod";
import { attempt, type Kind, plainText, quote, no } from "./kind.ts";
import { option } from "./option.ts";
import { registryUrl } from "./scalars.ts";

/** Web origins, or patterns of them: `*` stands for any text. Between commas or blanks, as those who move here write them. */
const webOrigins: Kind<readonly string[]> = {
  placeholder: "ORIGINS",
  expects:
    "origins such as https://app.example.com, * standing for any text, between commas; none for no origin at all",
  list: true,
  switch: false,
  schema: () =>
    z.union([plainText, z.array(plainText)]).transform((given, context) => {
      const texts = (typeof given === "string" ? [given] : given).flatMap((text) => text.split(/[\s,]+/));
      const patterns = texts.filter((text) => text !== "");
      if (patterns.length === 1 && patterns[0] === "none") return [];
      return [...new Set(patterns)].map((pattern) => attempt(() => webOrigin(pattern), pattern, context));
    }),
  show: (patterns) => patterns.join(","),
};

function webOrigin(text: string): string {
  if (text === "*" || /^(?:https?|\*):\/\/[^/\s]+$/i.test(text)) return text.toLowerCase();
  return no(`${quote(text)} is no origin: a scheme, a host and perhaps a port`);
}

const secretText: Kind<string> = {
  placeholder: "TEXT",
  expects: "any text but the empty one; the same for all instances behind one name",
  list: false,
  switch: false,
  schema: () => plainText.refine((text) => text !== "", "the empty text is not accepted"),
  show: () => "***",
};

/** Options of the Zot front. */
export const zotOptions = {
  zotUrl: option({
    group: "Fronts",
    kind: registryUrl,
    help: "The Zot registry that a front lets the docker command line into. Makes such a front where it is set.",
  }),
  myUrl: option({
    group: "Fronts",
    kind: registryUrl,
    otherwise: "what the client asked for",
    help: "The URL under which docker reaches a Zot front.",
  }),
  secret: option({
    group: "Fronts",
    kind: secretText,
    secret: true,
    otherwise: "derived from the CA's key",
    help: "What a Zot front signs its tokens with.",
  }),
  corsAllowedOrigins: option({
    group: "Fronts",
    kind: webOrigins,
    default: "https://*,http://*",
    help: "The web pages that may read a Zot front from a browser.",
  }),
};
