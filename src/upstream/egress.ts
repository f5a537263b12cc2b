import { EntrepotError } from "../core/errors.ts";
import { parseNoProxy } from "./no-proxy.ts";

/** The proxy's own way out. Each a URL of HTTP, HTTPS, SOCKS or PAC (`pac+https://...`); one without a scheme is HTTP. */
export interface EgressOptions {
  readonly httpsProxy?: string | undefined;
  readonly httpProxy?: string | undefined;
  /** For what the other two do not say. */
  readonly allProxy?: string | undefined;
  readonly noProxy?: string | undefined;
}

export interface EgressTarget {
  /** Blind tunnels count as secure: nearly all of them are TLS. */
  readonly secure: boolean;
  readonly host: string;
  readonly port: number;
}

/** The egress proxy for a target; undefined where it is reached directly. */
export type ChooseEgress = (target: EgressTarget) => URL | undefined;

/** Throws CONFIG_INVALID for a URL that is none or of another scheme. */
export function createEgress(options: EgressOptions): ChooseEgress {
  const all = parseProxy("ALL_PROXY", options.allProxy);
  const secure = parseProxy("HTTPS_PROXY", options.httpsProxy) ?? all;
  const plain = parseProxy("HTTP_PROXY", options.httpProxy) ?? all;
  const bypass = parseNoProxy(options.noProxy);
  return (target) => {
    const proxy = target.secure ? secure : plain;
    return proxy === undefined || bypass(target.host, target.port) ? undefined : proxy;
  };
}

const schemes = /^(?:https?|socks(?:4|4a|5|5h)?|pac\+(?:https?|file|data)):$/;

function parseProxy(name: string, text: string | undefined): URL | undefined {
  if (text === undefined || text === "") return undefined;
  const full = /^[a-z][a-z0-9+]*:\/\/|^pac\+(?:data|file):/i.test(text) ? text : `http://${text}`;
  if (URL.canParse(full)) {
    const url = new URL(full);
    if (schemes.test(url.protocol)) return url;
  }
  // The value may hold a password and is not repeated.
  throw new EntrepotError(
    "CONFIG_INVALID",
    `${name} is not the URL of a proxy. It may be http://, https://, socks5://, socks5h:// or pac+http(s)://host:port.`,
  );
}
