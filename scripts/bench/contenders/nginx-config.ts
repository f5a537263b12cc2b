import { existsSync } from "node:fs";

/** Where Debian's libnginx-mod-stream is. */
const streamModule = "/usr/lib/nginx/modules/ngx_stream_module.so";

/** Whether this nginx can pass bytes on that it does not look into. */
export function hasStreams(): boolean {
  return existsSync(streamModule);
}

/** What stands before `http` in the configuration of every nginx here. */
export function nginxMain(directory: string): string {
  // Started as root, nginx would run its workers as another user, who cannot read this run's directory.
  const user = process.getuid?.() === 0 ? "user root;" : "";
  return `${user}
${hasStreams() ? `load_module ${streamModule};` : ""}
daemon off;
worker_processes 1;
pid ${directory}/nginx.pid;
error_log ${directory}/error.log warn;
events { worker_connections 16384; }`;
}

/** Directives of `http` that keep nginx's scratch space inside `directory`. */
export function nginxScratch(directory: string): string {
  return ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
    .map((kind) => `${kind}_temp_path ${directory}/${kind};`)
    .join("\n  ");
}
