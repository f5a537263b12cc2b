import type { Contender, ContenderOptions } from "./contender.ts";

/** The load at the upstream itself. */
export function startDirect({ upstream, pki }: ContenderOptions): Promise<Contender> {
  return Promise.resolve({
    name: "direct",
    places: {
      cache: { target: { way: "tls", port: upstream.port, caFile: pki.caFile }, tree: undefined },
      tunnel: { target: { way: "plain", port: upstream.plainPort }, tree: undefined },
    },
    version: "",
    stop: () => Promise.resolve(),
  });
}
