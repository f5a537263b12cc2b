/** What stands before `http` in the configuration of every nginx here. */
export function nginxMain(directory: string): string {
  // Started as root, nginx would run its workers as another user, who cannot read this run's directory.
  const user = process.getuid?.() === 0 ? "user root;" : "";
  return `${user}
daemon off;
worker_processes 1;
pid ${directory}/nginx.pid;
error_log ${directory}/error.log warn;
events { worker_connections 4096; }`;
}

/** Directives of `http` that keep nginx's scratch space inside `directory`. */
export function nginxScratch(directory: string): string {
  return ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
    .map((kind) => `${kind}_temp_path ${directory}/${kind};`)
    .join("\n  ");
}
