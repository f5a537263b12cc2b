import { type Kind, single } from "./kind.ts";

const most = 256;

/** A number of processes; auto: one for each core. */
export const workers: Kind<number | "auto"> = single({
  placeholder: "NUMBER",
  expects: `auto, or a whole number from 1 to ${most}`,
  parse: (text) => {
    if (text === "auto") return text;
    const value = /^\d{1,3}$/.test(text) ? Number(text) : 0;
    return value >= 1 && value <= most ? value : undefined;
  },
});
