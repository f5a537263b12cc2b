import type { ContenderName } from "../contenders/contender.ts";
import type { Colour } from "./svg.ts";

/** Told apart by who cannot tell red from green, too: they differ in lightness. */
export const colours: Readonly<Record<ContenderName, Colour>> = {
  entrepot: { light: "#0969da", dark: "#58a6ff" },
  "entrepot-2": { light: "#54aeff", dark: "#a5d6ff" },
  nginx: { light: "#1a7f37", dark: "#3fb950" },
  "nginx-rsa": { light: "#4ac26b", dark: "#7ee787" },
  squid: { light: "#8250df", dark: "#bc8cff" },
  registry: { light: "#bc4c00", dark: "#f0883e" },
  mitm: { light: "#bf3989", dark: "#f778ba" },
  direct: { light: "#59636e", dark: "#9198a1" },
};
