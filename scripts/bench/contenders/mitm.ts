import { mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { freePort, launch, listening } from "../processes.ts";
import { type Contender, type ContenderOptions, nodeArguments } from "./contender.ts";

/** http-mitm-proxy with the simplest disk cache: what one gets by putting a library in the data path. */
export async function startMitm(options: ContenderOptions): Promise<Contender> {
  const file = (name: string): string => path.join(options.directory, name);
  const port = await freePort();
  mkdirSync(file("cache"), { recursive: true });
  const service = launch({
    name: "http-mitm-proxy",
    command: process.execPath,
    args: [...nodeArguments(options), path.join(import.meta.dirname, "mitm-server.ts")],
    env: {
      PORT: String(port),
      CACHE_DIR: file("cache"),
      CA_DIR: file("ca"),
      UPSTREAM_PORT: String(options.upstream.port),
      UPSTREAM_CA_FILE: options.pki.caFile,
    },
    cpus: options.cpus,
    logFile: file("output.log"),
  });
  await listening(service, port, file("output.log"), options.signal);
  const { tree } = service;
  return {
    name: "mitm",
    places: {
      cache: { target: { way: "connect", port, caFile: file("ca/certs/ca.pem") }, tree },
      tunnel: { target: { way: "tunnel", port, to: `127.0.0.1:${options.upstream.plainPort}` }, tree },
    },
    version: version(),
    stop: () => service.stop(),
  };
}

function version(): string {
  const resolve = createRequire(import.meta.url).resolve;
  const manifest = path.resolve(path.dirname(resolve("http-mitm-proxy")), "../package.json");
  const description: unknown = JSON.parse(readFileSync(manifest, "utf8"));
  const found =
    typeof description === "object" && description !== null && "version" in description ? description.version : "";
  return `${String(found)} on node ${process.versions.node}`;
}
