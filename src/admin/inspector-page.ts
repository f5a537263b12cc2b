import { createHash } from "node:crypto";
import type { InspectedEvent } from "./inspector.ts";

const style = `
:root { color-scheme: light dark; }
body { margin: 0 auto; max-width: 72rem; padding: 1.25rem; font: 15px/1.45 system-ui, sans-serif; }
h1 { font-size: 1.3rem; margin: 0 0 1rem; }
details { border-bottom: 1px solid light-dark(#dfe3e8, #2e343e); padding: .4rem 0; }
summary { cursor: pointer; font-family: ui-monospace, monospace; font-size: .85rem; overflow-wrap: anywhere; }
summary b { display: inline-block; min-width: 3.5em; }
h2 { font-size: .85rem; margin: .8rem 0 .2rem; }
pre { margin: 0; font-size: .8rem; white-space: pre-wrap; overflow-wrap: anywhere; }
`;

/** No script at all: what is shown was written by strangers. */
export const inspectorPolicy = [
  "default-src 'none'",
  `style-src 'sha256-${createHash("sha256").update(style).digest("base64")}'`,
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

/** The page as HTML; newest first, as the events come. */
export function inspectorPage(title: string, events: readonly InspectedEvent[]): string {
  const list = events.length === 0 ? "<p>Nothing yet. Reload the page after a pull.</p>" : events.map(entry).join("");
  return `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>Entrepot: ${escape(title)}</title><style>${style}</style></head>
<body>
<h1>Entrepot: ${escape(title)}</h1>
${list}
</body>
</html>
`;
}

function entry(event: InspectedEvent): string {
  const time = new Date(event.at).toISOString().slice(11, 23);
  const status = event.status === undefined ? "none" : String(event.status);
  const line = `${event.method} ${event.host}${event.path} (${event.ms.toFixed(1)} ms)`;
  return `<details><summary>${time} <b>${status}</b> ${escape(line)}</summary>
<h2>Request</h2>${fields(event.requestHeaders)}
<h2>Answer</h2>${fields(event.responseHeaders)}
</details>
`;
}

function fields(headers: Readonly<Record<string, string>>): string {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
  return `<pre>${escape(lines.length === 0 ? "(no header fields)" : lines.join("\n"))}</pre>`;
}

function escape(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
