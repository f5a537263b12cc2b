import { networkInterfaces } from "node:os";
import { frontLines } from "../config/front-lines.ts";
import type { LoadedConfig } from "../config/load.ts";
import { formatSize } from "../core/units.ts";

export interface ScreenFacts {
  readonly version: string;
  readonly loaded: LoadedConfig;
  readonly listening: readonly { readonly address: string; readonly port: number; readonly tls: boolean }[];
  /** Processes that serve clients. */
  readonly workers: number;
  readonly authority: { readonly fingerprint: string; readonly certificateFile: string; readonly created: boolean };
}

const access = {
  verified: "what is cached goes to those whom its registry would serve",
  shared: "every client is served what is cached, private images included (CACHE_ACCESS=shared)",
} as const;

/** The one screen that a start shows: where it is, whom to trust, what it keeps, and the line that sets up a client. */
export function startScreen({ version, loaded, listening, authority, workers }: ScreenFacts): string {
  const { config, sources } = loaded;
  const url = clientUrl(listening);
  const registries = [
    "registry-1.docker.io",
    ...config.registries.map(({ host, port }) => (port === undefined ? host : `${host}:${port}`)),
  ];
  const rows: [name: string, value: string][] = [
    [
      "listening",
      listening.map(({ address, port, tls }) => `${bracketed(address)}:${port}${tls ? " (TLS)" : ""}`).join(", "),
    ],
    ["workers", workers === 1 ? "1, all in one process" : `${workers} processes, and the one that keeps them`],
    ["CA", `${authority.certificateFile}${authority.created ? " (made just now)" : ""}`],
    ["", `SHA-256 ${authority.fingerprint}`],
    ["cache", `${config.cacheDir}, up to ${formatSize(config.cacheMaxSize)}`],
    ["access", access[config.cacheAccess]],
    ["registries", registries.join(" ")],
    ["credentials", config.authRegistries.length === 0 ? "none" : sources.authRegistries.value],
    ["pushes", pushes(config)],
    ...fronts(config),
  ];
  return [
    `entrepot ${version}`,
    "",
    ...rows.map(([name, value]) => `  ${name.padEnd(12)}${value}`),
    "",
    "  Set up a client that runs dockerd under systemd with:",
    `    curl ${url}/setup/systemd | sudo sh`,
    "",
    "",
  ].join("\n");
}

function fronts(config: LoadedConfig["config"]): [name: string, value: string][] {
  const lines = frontLines(config).map(({ name, hosts, to }) => `${name}, at ${hosts}: ${to}`);
  return (lines.length === 0 ? ["none"] : lines).map((line, index) => [index === 0 ? "fronts" : "", line]);
}

function pushes({ allowPush, cacheOnPush }: LoadedConfig["config"]): string {
  if (!allowPush) return "refused (ALLOW_PUSH=true passes them on)";
  return cacheOnPush ? "passed on, and kept" : "passed on";
}

/** An address that other machines can use, where it listens on more than the loopback. */
function clientUrl(listening: ScreenFacts["listening"]): string {
  const plain = listening.find(({ tls }) => !tls) ?? listening[0];
  const port = plain?.port ?? 0;
  const address = plain?.address ?? "127.0.0.1";
  const host = address === "0.0.0.0" || address === "::" ? (outsideAddress() ?? "127.0.0.1") : address;
  return `${plain?.tls === true ? "https" : "http"}://${bracketed(host)}:${port}`;
}

function outsideAddress(): string | undefined {
  const all = Object.values(networkInterfaces()).flatMap((entries) => entries ?? []);
  return all.find(({ internal, family }) => !internal && family === "IPv4")?.address;
}

function bracketed(address: string): string {
  return address.includes(":") ? `[${address}]` : address;
}
