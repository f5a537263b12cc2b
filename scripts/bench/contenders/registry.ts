import { spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { type Service, freePort, launch, listening } from "../processes.ts";
import type { Contender, ContenderOptions } from "./contender.ts";

/** Debian's docker-registry, twice: as pull-through of the upstream, over TLS, and as a registry of its own, without. */
export async function startRegistry(options: ContenderOptions): Promise<Contender> {
  const { pki, upstream } = options;
  const tls = `tls: { certificate: ${pki.leaf.certificateFile}, key: ${pki.leaf.keyFile} }`;
  const proxy = `proxy: { remoteurl: "https://127.0.0.1:${upstream.port}" }`;
  const [port, hostedPort] = [await freePort(), await freePort()];
  const through = await serve(options, "through", port, tls, proxy);
  const hosted = await serve(options, "hosted", hostedPort, "relativeurls: true", "");
  return {
    name: "registry",
    places: {
      cache: { target: { way: "tls", port, caFile: pki.caFile }, tree: through.tree },
      hosted: { target: { way: "plain", port: hostedPort }, tree: hosted.tree },
    },
    version: version(),
    stop: async () => {
      await through.stop();
      await hosted.stop();
    },
  };
}

async function serve(
  options: ContenderOptions,
  name: string,
  port: number,
  http: string,
  rest: string,
): Promise<Service> {
  const file = (name: string): string => path.join(options.directory, name);
  mkdirSync(file(name), { recursive: true });
  const lines = [
    'version: "0.1"',
    "log: { level: error, accesslog: { disabled: true } }",
    `storage: { filesystem: { rootdirectory: ${file(name)} }, cache: { blobdescriptor: inmemory } }`,
    "http:",
    `  addr: 127.0.0.1:${port}`,
    `  ${http}`,
    rest,
  ];
  writeFileSync(file(`${name}.yml`), `${lines.join("\n")}\n`);
  const logFile = file(`${name}.log`);
  const service = launch({
    name: "docker-registry",
    command: "docker-registry",
    args: ["serve", file(`${name}.yml`)],
    env: { SSL_CERT_FILE: options.pki.caFile, OTEL_TRACES_EXPORTER: "none" },
    cpus: options.cpus,
    logFile,
  });
  await listening(service, port, logFile, options.signal);
  return service;
}

function version(): string {
  const answer = spawnSync("docker-registry", ["--version"], { encoding: "utf8" });
  return /(\d+\.\d+\.\d+\S*)/.exec(answer.stdout ?? "")?.[1] ?? "unknown";
}
