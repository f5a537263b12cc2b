import { type ContenderName, titles } from "../contenders/contender.ts";
import { element, text } from "./svg.ts";

/** Radius of a contender's dot. */
export const dot = 4.5;

/** Which colour is whose, in one line at the height `y`. */
export function legend(shown: readonly ContenderName[], y: number): string[] {
  let x = 22;
  return shown.flatMap((name) => {
    const at = x;
    x += 34 + titles[name].length * 6.1;
    return [
      element("circle", { cx: at, cy: y, r: dot, class: `c-${name}` }),
      text(at + 10, y + 4, titles[name], { class: name === "entrepot" ? "ink strong" : "quiet" }),
    ];
  });
}
