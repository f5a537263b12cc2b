import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { registryHost } from "../pki.ts";
import { freePort, launch, listening } from "../processes.ts";
import { CannotTakePart, type Contender, type ContenderOptions, nodeArguments } from "./contender.ts";

const repository = path.resolve(import.meta.dirname, "../../..");

export function startEntrepot(options: ContenderOptions): Promise<Contender> {
  return start(options, "entrepot", 1);
}

export function startEntrepotInTwo(options: ContenderOptions): Promise<Contender> {
  if (!knownOptions().has("WORKERS")) throw new CannotTakePart("this version has no option WORKERS");
  return start(options, "entrepot-2", 2);
}

/** This program, as `npm start` runs it, with its own CA and its defaults but for pushes, fresh tags and the log level. */
async function start(options: ContenderOptions, name: "entrepot" | "entrepot-2", workers: number): Promise<Contender> {
  const file = (name: string): string => path.join(options.directory, name);
  const port = await freePort();
  mkdirSync(file("ca"), { recursive: true });
  const known = knownOptions();
  const service = launch({
    name: "Entrepot",
    command: process.execPath,
    args: [...nodeArguments(options), ...startArguments()],
    env: {
      HOST: "127.0.0.1",
      PORT: String(port),
      CACHE_DIR: file("cache"),
      CA_DIR: file("ca"),
      HOST_MAP: `${registryHost}:443=127.0.0.1:${options.upstream.port}`,
      UPSTREAM_CA_FILE: options.pki.caFile,
      ALLOW_PUSH: "true",
      ENABLE_MANIFEST_CACHE: "true",
      LOG_LEVEL: "warn",
      LOG_FORMAT: "json",
      ...(known.has("WORKERS") && { WORKERS: String(workers) }),
      ...(known.has("REGISTRY_STORAGE") && { REGISTRY_STORAGE: file("hosted") }),
    },
    cwd: options.directory,
    cpus: options.cpus,
    logFile: file("output.log"),
  });
  await listening(service, port, file("output.log"), options.signal);
  const { tree } = service;
  return {
    name,
    workers,
    places: {
      cache: { target: { way: "connect", port, caFile: file("ca/ca.crt") }, tree },
      tunnel: { target: { way: "tunnel", port, to: `127.0.0.1:${options.upstream.plainPort}` }, tree },
      ...(known.has("REGISTRY_STORAGE") && { hosted: { target: { way: "plain", port }, tree } }),
    },
    lacks: { hosted: "this version has no option REGISTRY_STORAGE" },
    version: version(),
    stop: () => service.stop(),
  };
}

let options: ReadonlySet<string> | undefined;

/** The variables that this version takes: some cases are for options that not every version has. */
function knownOptions(): ReadonlySet<string> {
  if (options) return options;
  const [command, ...args] = [process.execPath, ...startArguments(), "config"];
  const answer = spawnSync(command, args, { encoding: "utf8", env: { PATH: process.env["PATH"] } });
  if (answer.status !== 0) throw new Error(`entrepot config: ${answer.stderr.trim().slice(-600)}`);
  options = new Set(answer.stdout.split("\n").map((line) => line.split(" ")[0] ?? ""));
  return options;
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
