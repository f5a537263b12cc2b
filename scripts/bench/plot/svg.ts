/** Just enough of SVG for plots that read well in a README, on light and on dark. */

export type Attributes = Readonly<Record<string, string | number | undefined>>;

/** An element; what is in it is markup already. */
export function element(name: string, attributes: Attributes, ...children: readonly string[]): string {
  const written = Object.entries(attributes)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => ` ${key}="${typeof value === "number" ? rounded(value) : escaped(String(value))}"`)
    .join("");
  return children.length === 0 ? `<${name}${written}/>` : `<${name}${written}>${children.join("")}</${name}>`;
}

export function text(x: number, y: number, content: string, attributes: Attributes = {}): string {
  return element("text", { x, y, ...attributes }, escaped(content));
}

/** `classes`: colours by class name, for light and dark. `label`: what a reader who sees no picture is told. */
export function picture(
  size: { readonly width: number; readonly height: number },
  label: string,
  classes: Readonly<Record<string, Colour>>,
  children: readonly string[],
): string {
  const { width, height } = size;
  const root = { xmlns: "http://www.w3.org/2000/svg", viewBox: `0 0 ${width} ${height}`, width, height, role: "img" };
  return `${element("svg", { ...root, "aria-label": label }, style(classes), "\n", children.join("\n"), "\n")}\n`;
}

export interface Colour {
  readonly light: string;
  readonly dark: string;
}

/** Text, text of less weight, and lines of the scale. */
const inks: Readonly<Record<string, Colour>> = {
  ink: { light: "#1f2328", dark: "#e6edf3" },
  quiet: { light: "#59636e", dark: "#9198a1" },
  grid: { light: "#d8dee4", dark: "#30363d" },
};

/** The page decides which of the two is seen; nothing is painted behind the picture. */
function style(classes: Readonly<Record<string, Colour>>): string {
  const all = Object.entries({ ...inks, ...classes });
  const rules = (pick: (colour: Colour) => string): string =>
    all.map(([name, colour]) => `.${name}{fill:${pick(colour)};stroke:${pick(colour)}}`).join("");
  const fixed = [
    'text{font:12px -apple-system,"Segoe UI","Noto Sans",Helvetica,Arial,sans-serif;stroke:none!important}',
    ".title{font-weight:600;font-size:15px}",
    ".strong{font-weight:600}",
    ".line{fill:none;stroke-width:2;stroke-linejoin:round;stroke-linecap:round}",
    ".thin{fill:none;stroke-width:1}",
    ".dashed{stroke-dasharray:4 4}",
  ].join("");
  const dark = `@media (prefers-color-scheme:dark){${rules((colour) => colour.dark)}}`;
  return element("style", {}, `${rules((colour) => colour.light)}${dark}${fixed}`);
}

function rounded(value: number): string {
  return String(Math.round(value * 100) / 100);
}

function escaped(value: string): string {
  return value.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");
}
