import { mkdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { registryHost } from "../pki.ts";
import { freePort, launch, listening } from "../processes.ts";
import { type Contender, type ContenderOptions, nodeArguments } from "./contender.ts";

const repository = path.resolve(import.meta.dirname, "../../..");

/** This program, as `npm start` runs it, with its own CA and its defaults but for the log level. */
export async function startEntrepot(options: ContenderOptions): Promise<Contender> {
  const file = (name: string): string => path.join(options.directory, name);
  const port = await freePort();
  mkdirSync(file("ca"));
  const service = launch({
    name: "Entrepot",
    command: process.execPath,
    args: [...nodeArguments(options), ...startArguments()],
    env: {
      HOST: "127.0.0.1",
      PORT: String(port),
      CACHE_DIR: file("cache"),
      CA_DIR: file("ca"),
      HOST_MAP: `${registryHost}:443=127.0.0.1:${options.upstreamPort}`,
      UPSTREAM_CA_FILE: options.pki.caFile,
      LOG_LEVEL: "warn",
      LOG_FORMAT: "json",
    },
    cwd: options.directory,
    cpu: options.cpu,
    logFile: file("output.log"),
  });
  await listening(service, port, file("output.log"), options.signal);
  return {
    name: "entrepot",
    target: { port, way: "connect", caFile: file("ca/ca.crt") },
    tree: service.tree,
    version: version(),
    stop: () => service.stop(),
  };
}

/** What `npm start` hands to node, with the program's path made absolute. */
function startArguments(): string[] {
  const [command, ...args] = description().scripts.start.split(" ");
  if (command !== "node") throw new Error(`The start script of package.json begins with ${command}, not with node.`);
  return args.map((argument) => (argument.endsWith(".ts") ? path.join(repository, argument) : argument));
}

function version(): string {
  return `${description().version} on node ${process.versions.node}`;
}

function description(): { version: string; scripts: { start: string } } {
  const parsed: unknown = JSON.parse(readFileSync(path.join(repository, "package.json"), "utf8"));
  return parsed as ReturnType<typeof description>;
}
