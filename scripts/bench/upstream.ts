import { mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { nginxMain, nginxScratch } from "./contenders/nginx-config.ts";
import { type Pki, registryHost } from "./pki.ts";
import { type Service, freePort, launch, listening } from "./processes.ts";
import { manifestType } from "./site.ts";

/** What the upstream was asked for. */
export interface Seen {
  /** Of blobs and manifests. */
  readonly bytes: number;
  /** Requests, and two for each connection that they came on: TCP's and TLS 1.3's. */
  readonly roundTrips: number;
  /** Requests for tags, manifests and blobs. */
  readonly content: number;
}

export interface Upstream {
  /** Over TLS. */
  readonly port: number;
  /** The same files without TLS. */
  readonly plainPort: number;
  /** Since the last call. */
  seen(): Seen;
  stop(): Promise<void>;
}

export interface UpstreamOptions {
  readonly directory: string;
  /** Where bodies of pushes are while they come in; best in memory, so that no disk limits a push. */
  readonly scratch: string;
  readonly site: string;
  readonly pki: Pki;
  /** Repositories whose blobs each connection reads at no more than so many bytes per second. */
  readonly paces: Readonly<Record<string, number>>;
  readonly cpus: string | undefined;
  readonly signal: AbortSignal;
}

/** Blobs may be pushed to it; they are read to their end and go nowhere. */
export const pushRepository = "bench/push";

/** The registry: static files over TLS from an nginx of its own, so that its CPU is nobody's. */
export async function startUpstream(options: UpstreamOptions): Promise<Upstream> {
  mkdirSync(options.directory, { recursive: true });
  const file = (name: string): string => path.join(options.directory, name);
  const ports = { tls: await freePort(), plain: await freePort(), sink: await freePort() };
  const accessLog = file("access.log");
  writeFileSync(accessLog, "");
  writeFileSync(file("nginx.conf"), configuration(options, ports, accessLog));
  const service = launch({
    name: "upstream",
    command: "nginx",
    args: ["-p", options.directory, "-e", file("error.log"), "-c", file("nginx.conf")],
    cpus: options.cpus,
    logFile: file("output.log"),
  });
  await listening(service, ports.tls, file("error.log"), options.signal);
  return withCounter(service, ports, accessLog);
}

function withCounter(service: Service, ports: { tls: number; plain: number }, accessLog: string): Upstream {
  let position = 0;
  const seen = (): Seen => {
    const end = statSync(accessLog).size;
    const lines = readFileSync(accessLog, "latin1").slice(position, end).trim().split("\n");
    position = end;
    let [bytes, roundTrips, content] = [0, 0, 0];
    for (const line of lines.filter((each) => each !== "")) {
      const [, , sent, requestOfConnection, url] = line.split(" ");
      if (url !== "/v2/") {
        bytes += Number(sent);
        content += 1;
      }
      roundTrips += requestOfConnection === "1" ? 3 : 1;
    }
    return { bytes, roundTrips, content };
  };
  return { port: ports.tls, plainPort: ports.plain, seen, stop: () => service.stop() };
}

function configuration(
  options: UpstreamOptions,
  ports: { tls: number; plain: number; sink: number },
  accessLog: string,
): string {
  const { leaf } = options.pki;
  const paced = Object.entries(options.paces).map(
    ([repository, pace]) =>
      `location ~ ^/v2/${repository}/blobs/ { default_type application/octet-stream; limit_rate ${pace}; }`,
  );
  return `${nginxMain(options.directory)}
http {
  ${nginxScratch(options.scratch)}
  log_format bench '$request_method $status $body_bytes_sent $connection_requests $uri';
  access_log ${accessLog} bench;
  sendfile off;
  output_buffers 2 512k;
  keepalive_timeout 300s;
  keepalive_requests 10000000;
  client_max_body_size 0;
  client_body_buffer_size 1m;
  root ${options.site};
  etag on;
  server {
    listen 127.0.0.1:${ports.tls} ssl backlog=1024;
    ssl_certificate ${leaf.certificateFile};
    ssl_certificate_key ${leaf.keyFile};
    ssl_protocols TLSv1.2 TLSv1.3;
    ssl_session_cache shared:upstream:4m;
    location = /v2/ { add_header Docker-Distribution-Api-Version registry/2.0; default_type application/json; return 200 "{}"; }
    location = /v2/${pushRepository}/blobs/uploads/ {
      add_header Location https://${registryHost}/v2/${pushRepository}/blobs/uploads/$request_id always;
      return 202;
    }
    location /v2/${pushRepository}/blobs/uploads/ {
      proxy_pass http://127.0.0.1:${ports.sink};
      proxy_method GET;
      proxy_pass_request_body off;
      proxy_set_header Content-Length "";
    }
    location ~ ^/v2/.+/manifests/(sha256:[0-9a-f]+)$ { default_type ${manifestType}; add_header Docker-Content-Digest $1; }
    location ~ ^/v2/.+/manifests/v1-([0-9a-f]+)$ { default_type ${manifestType}; add_header Docker-Content-Digest sha256:$1; }
    ${paced.join("\n    ")}
    location ~ ^/v2/.+/blobs/(sha256:[0-9a-f]+)$ { default_type application/octet-stream; add_header Docker-Content-Digest $1; }
  }
  server {
    listen 127.0.0.1:${ports.plain} backlog=1024;
    sendfile on;
    tcp_nopush on;
  }
  server {
    listen 127.0.0.1:${ports.sink};
    access_log off;
    return 201;
  }
}
`;
}
