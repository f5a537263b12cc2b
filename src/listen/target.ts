import { defaultPorts, parseHostPort } from "../core/origin.ts";

/** The forms of a request target that reach a handler (RFC 9112 §3.2); CONNECT's own is a host and port. */
export type Target =
  | { readonly form: "origin"; readonly target: string }
  | {
      readonly form: "absolute";
      readonly scheme: "https" | "http";
      readonly host: string;
      readonly port: number;
      readonly target: string;
    }
  | { readonly form: "invalid"; readonly problem: string };

/** Reads the target of a request line. The path is handed on as it was sent: only core/request normalises it. */
export function parseTarget(text: string): Target {
  // RFC 9112 §3.2: no form has a fragment, and two parsers that disagree about one make a cache key of it.
  if (text.includes("#")) return { form: "invalid", problem: "A request target has no fragment ('#')." };
  if (text.startsWith("/") || text === "*") return { form: "origin", target: text };
  const match = /^([a-z][a-z0-9+.-]*):\/\/([^/?]*)(.*)$/i.exec(text);
  const scheme = match?.[1]?.toLowerCase();
  if (match === null || (scheme !== "http" && scheme !== "https")) {
    return { form: "invalid", problem: "A request target is a path or an http:// or https:// URL." };
  }
  const authority = parseHostPort(match[2] ?? "");
  if (authority === undefined) {
    return { form: "invalid", problem: "The URL's authority is no host, with or without a port of 1 to 65535." };
  }
  const rest = match[3] ?? "";
  return {
    form: "absolute",
    scheme,
    host: authority.host,
    port: authority.port ?? defaultPorts[scheme],
    target: rest.startsWith("/") ? rest : `/${rest}`,
  };
}

/** The values of Host among raw headers, as many as were sent: RFC 9112 §3.2 wants exactly one. */
export function hostsOf(rawHeaders: readonly string[]): string[] {
  const hosts: string[] = [];
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index] ?? "";
    if (name.length === 4 && name.toLowerCase() === "host") hosts.push(rawHeaders[index + 1] ?? "");
  }
  return hosts;
}
