import { writeFileSync } from "node:fs";
import type { IncomingMessage } from "node:http";
import { request, type RequestOptions } from "node:https";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { pipeline } from "node:stream/promises";
import type { Content } from "../../fixtures/synthetic-blob.ts";
import type { Image } from "../images/image.ts";
import { type AccessLine, parseAccessLog } from "./access-log.ts";
import type { Authority } from "../machine/authority.ts";
import { startDaemon } from "../machine/daemon.ts";
import { ownEnvironment } from "../machine/environment.ts";
import type { Place } from "../machine/place.ts";
import { contained, run } from "../machine/run.ts";
import { until } from "../machine/until.ts";

export interface UpstreamOptions {
  readonly authority: Authority;
  /** The names it is reached under, the first of them its own. */
  readonly hosts: readonly [string, ...string[]];
  /** Basic authentication for everything. */
  readonly login?: { readonly user: string; readonly password: string };
  /** Where its content is; a directory of its own unless two of them are to have the same. */
  readonly storage?: string;
  /** Tokens of a service; see the `auth.token` section of distribution's configuration. */
  readonly token?: Readonly<Record<string, unknown>>;
}

/** A real registry (Debian's docker-registry) on a port of 127.0.0.1, over TLS. */
export interface Upstream {
  readonly host: string;
  readonly port: number;
  /** For the proxy's HOST_MAP. */
  readonly hostMap: string;
  /** Pushes an image straight to it. */
  push(image: Image, name: string): Promise<void>;
  /** Stores a blob, of any size, straight. */
  pushBlob(repository: string, blob: Content): Promise<void>;
  /** The digest that it has for `repository:tag`, asked straight. */
  digest(repository: string, tag: string): Promise<string>;
  /** The requests that it answered while `action` ran, from its own access log. */
  during(action: () => Promise<unknown>): Promise<AccessLine[]>;
  /** Ends it; nobody listens on its port any more. */
  stop(): Promise<void>;
}

export async function startUpstream(place: Place, options: UpstreamOptions): Promise<Upstream> {
  const [host] = options.hosts;
  const home = place.folder(`upstream-${host}`);
  const env = ownEnvironment(home, { SSL_CERT_FILE: options.authority.file });
  const { key, certificate } = options.authority.issue(...options.hosts);
  const auth: Record<string, unknown> = {};
  if (options.login) {
    const { user, password } = options.login;
    const file = join(home, "htpasswd");
    writeFileSync(file, await run("htpasswd", ["-Bbn", "-C", "4", user, password], { env }));
    auth["htpasswd"] = { realm: "test", path: file };
  }
  if (options.token) auth["token"] = options.token;
  const configuration = join(home, "registry.yml");
  // JSON is YAML too.
  const settings = {
    version: "0.1",
    log: { level: "info", accesslog: { disabled: false } },
    storage: { filesystem: { rootdirectory: options.storage ?? join(home, "storage") }, delete: { enabled: true } },
    http: { addr: "127.0.0.1:0", secret: "test", tls: { key, certificate } },
    ...(Object.keys(auth).length > 0 && { auth }),
  };
  writeFileSync(configuration, JSON.stringify(settings));

  const port = (log: string) => Number(/listening on 127\.0\.0\.1:(\d+), tls/.exec(log)?.[1] ?? Number.NaN);
  const daemon = await startDaemon(place, {
    name: `upstream-${host}`,
    command: ["docker-registry", "serve", configuration],
    env,
    ready: (daemon) => (Number.isNaN(port(daemon.errors())) ? undefined : true),
  });
  const upstream = { host, port: port(daemon.errors()) };
  const skopeo = (...args: readonly string[]) => run("env", contained("skopeo", args), { env });
  const credentials = options.login ? [`${options.login.user}:${options.login.password}`] : [];

  return {
    ...upstream,
    hostMap: options.hosts.map((name) => `${name}:443=127.0.0.1:${upstream.port}`).join(" "),
    async push(image, name) {
      const login = credentials.flatMap((pair) => ["--dest-creds", pair]);
      const target = `docker://127.0.0.1:${upstream.port}/${name}`;
      await skopeo("copy", "--quiet", ...login, `oci:${image.layout}`, target);
    },
    async pushBlob(repository, blob) {
      const started = await ask(upstream.port, { method: "POST", path: `/v2/${repository}/blobs/uploads/` });
      const { pathname, search } = new URL(started.headers.location ?? "", `https://127.0.0.1:${upstream.port}`);
      const path = `${pathname}${search}&digest=${blob.digest}`;
      const headers = { "content-length": blob.size, "content-type": "application/octet-stream" };
      const { statusCode } = await ask(upstream.port, { method: "PUT", path, headers }, blob.stream());
      if (statusCode !== 201) throw new Error(`The registry answered ${statusCode} to a push.`);
    },
    async digest(repository, tag) {
      const login = credentials.flatMap((pair) => ["--creds", pair]);
      const name = `docker://127.0.0.1:${upstream.port}/${repository}:${tag}`;
      return (await skopeo("inspect", "--format", "{{.Digest}}", ...login, name)).trim();
    },
    async during(action) {
      const lines = () => parseAccessLog(daemon.output());
      const mark = async (): Promise<number> => {
        const path = `/v2/?mark=${Math.random()}`;
        await get(upstream.port, path);
        return await until("the mark is in the access log", 5000, () => {
          const index = lines().findIndex((line) => line.path === path);
          return index < 0 ? undefined : index;
        });
      };
      const from = await mark();
      await action();
      const to = await mark();
      return lines().slice(from + 1, to);
    },
    async stop() {
      await daemon.stop();
    },
  };
}

/** What it answers does not matter, only that it is in the log. */
async function get(port: number, path: string): Promise<void> {
  await ask(port, { path });
}

async function ask(port: number, options: RequestOptions, body?: Readable): Promise<IncomingMessage> {
  const sent = request({ host: "127.0.0.1", port, rejectUnauthorized: false, agent: false, ...options });
  const answered = new Promise<IncomingMessage>((resolve, reject) => {
    sent.on("response", resolve).on("error", reject);
  });
  if (body === undefined) sent.end();
  else await pipeline(body, sent);
  const answer = await answered;
  await text(answer);
  return answer;
}
