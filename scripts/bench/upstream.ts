import { mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { nginxMain } from "./contenders/nginx-config.ts";
import type { Pki } from "./pki.ts";
import { type Service, freePort, launch, listening } from "./processes.ts";
import { manifestType } from "./site.ts";

export interface Upstream {
  readonly port: number;
  /** Bytes of blobs and manifests that it has sent since the last call. */
  sent(): number;
  stop(): Promise<void>;
}

export interface UpstreamOptions {
  readonly directory: string;
  readonly site: string;
  readonly pki: Pki;
  /** Repositories whose blobs each connection reads at no more than so many bytes per second. */
  readonly paces: Readonly<Record<string, number>>;
  readonly cpu: number | undefined;
  readonly signal: AbortSignal;
}

/** The registry: static files over TLS from an nginx of its own, so that its CPU is nobody's. */
export async function startUpstream(options: UpstreamOptions): Promise<Upstream> {
  mkdirSync(options.directory, { recursive: true });
  const file = (name: string): string => path.join(options.directory, name);
  const port = await freePort();
  const accessLog = file("access.log");
  writeFileSync(accessLog, "");
  writeFileSync(file("nginx.conf"), configuration(options, port, accessLog));
  const service = launch({
    name: "upstream",
    command: "nginx",
    args: ["-p", options.directory, "-e", file("error.log"), "-c", file("nginx.conf")],
    cpu: options.cpu,
    logFile: file("output.log"),
  });
  await listening(service, port, file("error.log"), options.signal);
  return withCounter(service, port, accessLog);
}

function withCounter(service: Service, port: number, accessLog: string): Upstream {
  let position = 0;
  const sent = (): number => {
    const end = statSync(accessLog).size;
    const lines = readFileSync(accessLog, "latin1").slice(position, end);
    position = end;
    return lines.split("\n").reduce((total, line) => total + Number(line.split(" ")[2] ?? 0), 0);
  };
  return { port, sent, stop: () => service.stop() };
}

function configuration(options: UpstreamOptions, port: number, accessLog: string): string {
  const { leaf } = options.pki;
  const paced = Object.entries(options.paces).map(
    ([repository, pace]) =>
      `location ~ ^/v2/${repository}/blobs/ { default_type application/octet-stream; limit_rate ${pace}; }`,
  );
  return `${nginxMain(options.directory)}
http {
  log_format bench '$request_method $status $body_bytes_sent $uri';
  access_log ${accessLog} bench;
  sendfile off;
  output_buffers 2 512k;
  keepalive_timeout 300s;
  keepalive_requests 10000000;
  server {
    listen 127.0.0.1:${port} ssl backlog=1024;
    ssl_certificate ${leaf.certificateFile};
    ssl_certificate_key ${leaf.keyFile};
    ssl_protocols TLSv1.2 TLSv1.3;
    ssl_session_cache shared:upstream:4m;
    root ${options.site};
    etag on;
    location = /v2/ { add_header Docker-Distribution-Api-Version registry/2.0; default_type application/json; return 200 "{}"; }
    location ~ ^/v2/.+/manifests/(sha256:[0-9a-f]+)$ { default_type ${manifestType}; add_header Docker-Content-Digest $1; }
    ${paced.join("\n    ")}
    location ~ ^/v2/.+/blobs/(sha256:[0-9a-f]+)$ { default_type application/octet-stream; add_header Docker-Content-Digest $1; }
  }
}
`;
}
