import { readFileSync, writeFileSync } from "node:fs";
import { get, type IncomingMessage } from "node:http";
import { join, resolve } from "node:path";
import { text } from "node:stream/consumers";
import { type Daemon, startDaemon } from "../machine/daemon.ts";
import { ownEnvironment } from "../machine/environment.ts";
import type { Place } from "../machine/place.ts";
import { freePort } from "../machine/ports.ts";
import { processesOf } from "../machine/processes.ts";

/** Processes that serve clients, where a run asks for some number of them. */
const { ENTREPOT_TEST_WORKERS: testWorkers } = process.env;
const main = resolve(import.meta.dirname, "../../../src/main.ts");

/** The program under test, run from its source as a process of its own. */
export interface Proxy {
  readonly port: number;
  /** `http://127.0.0.1:<port>` */
  readonly url: string;
  /** A PEM file with the proxy's root, fetched from `/ca.crt` as a user does. */
  readonly root: string;
  /** What a client needs in its environment: the way to the proxy, and trust in its root and in nothing else. */
  readonly clientEnvironment: Record<string, string>;
  /** One object per line that it logged. */
  log(): Record<string, unknown>[];
  /** What the last start showed to a person. */
  screen(): string;
  /** What `/metrics` answers. */
  metrics(): Promise<string>;
  /** Ends it and starts it again on the same port and directories, with these variables on top of the first ones. */
  restart(variables: Readonly<Record<string, string>>): Promise<void>;
  /** Bytes: the most memory that any one of its processes has had resident (proc_pid_status(5), VmHWM). */
  peakMemory(): number;
  /** Likewise, of all its processes together. */
  peakMemoryOfAll(): number;
  stop(): Promise<boolean>;
}

type Variables = Readonly<Record<string, string>>;

/** Starts the proxy with these variables, which may follow from its URL; ports, directories and log format are the test's. */
export async function startProxy(place: Place, given: Variables | ((url: string) => Variables)): Promise<Proxy> {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const variables = typeof given === "function" ? given(url) : given;
  const home = place.folder("proxy");
  const fixed = {
    HOST: "127.0.0.1",
    PORT: String(port),
    CA_DIR: place.folder("proxy/ca"),
    CACHE_DIR: place.folder("proxy/cache"),
    LOG_FORMAT: "json",
    ...(testWorkers !== undefined && { WORKERS: testWorkers }),
  };
  let starts = 0;
  const start = (extra: Readonly<Record<string, string>>): Promise<Daemon> =>
    startDaemon(place, {
      name: starts++ === 0 ? "proxy" : `proxy-${starts}`,
      command: [process.execPath, main],
      env: ownEnvironment(home, { ...fixed, ...variables, ...extra }),
      cwd: home,
      ready: async () => ((await fetchText(`${url}/healthz`)) === undefined ? undefined : true),
    });
  let daemon = await start({});
  const earlier: string[] = [];
  const root = join(home, "root.pem");
  writeFileSync(root, (await fetchText(`${url}/ca.crt`)) ?? "");
  return {
    port,
    url,
    root,
    clientEnvironment: {
      HTTPS_PROXY: url,
      HTTP_PROXY: url,
      SSL_CERT_FILE: root,
      SSL_CERT_DIR: place.folder("no-certificates"),
    },
    log: () =>
      [...earlier, daemon.output()].flatMap((output) =>
        output.split("\n").flatMap((line) => (line.startsWith("{") ? [parse(line)] : [])),
      ),
    screen: () => daemon.errors(),
    peakMemory: () => Math.max(...processesOf(daemon.pid).map(peakOf)),
    peakMemoryOfAll: () => processesOf(daemon.pid).reduce((sum, pid) => sum + peakOf(pid), 0),
    metrics: async () => (await fetchText(`${url}/metrics`)) ?? "",
    async restart(extra) {
      await daemon.stop();
      earlier.push(daemon.output());
      daemon = await start(extra);
    },
    stop: () => daemon.stop(),
  };
}

/** proc_pid_status(5), VmHWM. */
function peakOf(pid: number): number {
  return Number(/^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0) * 1024;
}

function parse(line: string): Record<string, unknown> {
  const value: unknown = JSON.parse(line);
  return typeof value === "object" && value !== null ? { ...value } : {};
}

/** The body, or undefined where the answer is not 200. Without an agent's pool, so that nothing keeps a stopped one alive. */
async function fetchText(url: string): Promise<string | undefined> {
  const sent = get(url, { agent: false });
  const answer = await new Promise<IncomingMessage>((resolve, reject) => {
    sent.on("response", resolve).on("error", reject);
  });
  const body = await text(answer);
  return answer.statusCode === 200 ? body : undefined;
}
