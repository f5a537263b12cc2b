import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { type Certificate, registryHost } from "../pki.ts";
import { freePort, launch, listening } from "../processes.ts";
import type { Contender, ContenderOptions, Place } from "./contender.ts";
import { hasStreams, nginxMain, nginxScratch } from "./nginx-config.ts";

/** With an EC leaf, as Entrepot has. */
export function startNginx(options: ContenderOptions): Promise<Contender> {
  return start(options, "nginx", options.pki.leaf);
}

/** With an RSA leaf, as the nginx-based proxies mint. */
export function startNginxRsa(options: ContenderOptions): Promise<Contender> {
  return start(options, "nginx-rsa", options.pki.rsaLeaf);
}

/**
 * nginx as a TLS reverse proxy with proxy_cache in front of the one registry. It is spared CONNECT, minting certificates,
 * hashing, access rules and the log line; bench/README.md says why.
 */
async function start(options: ContenderOptions, name: "nginx" | "nginx-rsa", leaf: Certificate): Promise<Contender> {
  const file = (name: string): string => path.join(options.directory, name);
  const [port, streamPort] = [await freePort(), await freePort()];
  writeFileSync(
    file("nginx.conf"),
    configuration(options, leaf, port) + (hasStreams() ? stream(options, streamPort) : ""),
  );
  const service = launch({
    name: "nginx",
    command: "nginx",
    args: ["-p", options.directory, "-e", file("error.log"), "-c", file("nginx.conf")],
    cpus: options.cpus,
    logFile: file("output.log"),
  });
  await listening(service, port, file("error.log"), options.signal);
  const { tree } = service;
  const tunnel: Place = { target: { way: "plain", port: streamPort }, tree };
  return {
    name,
    places: {
      cache: { target: { way: "tls", port, caFile: options.pki.caFile }, tree },
      ...(hasStreams() && { tunnel }),
    },
    lacks: { tunnel: "the package libnginx-mod-stream is not installed" },
    version: nginxVersion(),
    stop: () => service.stop(),
  };
}

export function nginxVersion(): string {
  const answer = spawnSync("nginx", ["-v"], { encoding: "utf8" });
  return /nginx\/(\S+)/.exec(answer.stderr ?? "")?.[1] ?? "unknown";
}

function configuration(options: ContenderOptions, leaf: Certificate, port: number): string {
  return `${nginxMain(options.directory)}
http {
  ${nginxScratch(options.directory)}
  access_log off;
  sendfile off;
  tcp_nodelay on;
  output_buffers 2 512k;
  keepalive_timeout 300s;
  keepalive_requests 10000000;
  client_max_body_size 0;
  client_body_buffer_size 256k;
  proxy_cache_path ${options.directory}/cache levels=1:2 keys_zone=bench:64m max_size=64g inactive=60d use_temp_path=off;
  upstream registry { server 127.0.0.1:${options.upstream.port}; keepalive 32; keepalive_requests 10000000; }
  server {
    listen 127.0.0.1:${port} ssl backlog=1024;
    server_name ${registryHost};
    ssl_certificate ${leaf.certificateFile};
    ssl_certificate_key ${leaf.keyFile};
    ssl_protocols TLSv1.2 TLSv1.3;
    ssl_session_cache shared:client:10m;
    ssl_buffer_size 16k;
    location /v2/ {
      proxy_pass https://registry;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host ${registryHost};
      proxy_ssl_name ${registryHost};
      proxy_ssl_server_name on;
      proxy_ssl_verify on;
      proxy_ssl_trusted_certificate ${options.pki.caFile};
      proxy_ssl_session_reuse on;
      proxy_request_buffering off;
      proxy_buffer_size 16k;
      proxy_buffers 16 256k;
      proxy_busy_buffers_size 1m;
      proxy_temp_file_write_size 1m;
      proxy_cache bench;
      proxy_cache_key $host$uri;
      proxy_cache_lock on;
      proxy_cache_lock_age 120s;
      proxy_cache_lock_timeout 120s;
      proxy_cache_valid 200 60d;
      add_header X-Cache $upstream_cache_status;
    }
  }
}
`;
}

/** CONNECT is no part of nginx; what the module that adds it does afterwards is what this does. */
function stream(options: ContenderOptions, port: number): string {
  return `stream {
  access_log off;
  server {
    listen 127.0.0.1:${port} backlog=1024;
    tcp_nodelay on;
    proxy_buffer_size 64k;
    proxy_pass 127.0.0.1:${options.upstream.plainPort};
  }
}
`;
}
