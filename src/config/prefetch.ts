import { type Kind, no, quote, single } from "./kind.ts";

/** What is fetched ahead of clients: the images of these platforms (`os/architecture` or `os/architecture/variant`), of all, or nothing. */
export type Prefetch = "none" | "all" | readonly string[];

const platform = /^[a-z0-9]+\/[a-z0-9_]+(?:\/[a-z0-9.]+)?$/;
const nothing = new Set(["none", "false", "no", "off", "0"]);

export const prefetch: Kind<Prefetch> = single({
  placeholder: "PLATFORMS",
  expects: "none, all, or platforms between blanks or commas, such as linux/amd64 linux/arm64",
  parse: (text) => {
    const words = text
      .toLowerCase()
      .split(/[\s,]+/)
      .filter((word) => word !== "");
    const [only] = words;
    if (only === undefined || (words.length === 1 && nothing.has(only))) return "none";
    if (words.length === 1 && only === "all") return "all";
    const wrong = words.find((word) => !platform.test(word));
    return wrong === undefined ? words : no(`${quote(wrong)} is no platform`);
  },
  show: (value) => (typeof value === "string" ? value : value.join(" ")),
});
