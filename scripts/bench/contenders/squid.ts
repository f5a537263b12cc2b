import { execFileSync, spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { registryHost } from "../pki.ts";
import { freePort, launch, listening } from "../processes.ts";
import { type Contender, type ContenderOptions, CannotTakePart } from "./contender.ts";

const certificateDaemon = "/usr/lib/squid/security_file_certgen";

/** Debian's squid-openssl: a CONNECT proxy that mints certificates (ssl_bump) and caches on the disk. */
export async function startSquid(options: ContenderOptions): Promise<Contender> {
  if (!existsSync(certificateDaemon)) throw new CannotTakePart("squid-openssl is not installed");
  const file = (name: string): string => path.join(options.directory, name);
  const [port, tunnelPort] = [await freePort(), await freePort()];
  // Two squids of one name would share their memory.
  const name = ["-n", `bench${port}`];
  writeFileSync(file("squid.conf"), configuration(options, port, tunnelPort));
  if (!existsSync(file("cache"))) {
    mkdirSync(file("cache"));
    execFileSync(certificateDaemon, ["-c", "-s", file("certificates"), "-M", "4MB"], { stdio: "ignore" });
    if (process.getuid?.() === 0) {
      // Started as root, squid works as the user proxy.
      chmodSync(path.dirname(options.directory), 0o711);
      execFileSync("chown", ["-R", "proxy", options.directory]);
    }
    execFileSync("/usr/sbin/squid", [...name, "-N", "-z", "-f", file("squid.conf")], { stdio: "ignore" });
  }
  const service = launch({
    name: "squid",
    command: "/usr/sbin/squid",
    args: [...name, "-N", "-f", file("squid.conf")],
    cpus: options.cpus,
    logFile: file("output.log"),
  });
  await listening(service, port, file("output.log"), options.signal);
  const { tree } = service;
  return {
    name: "squid",
    places: {
      cache: { target: { way: "connect", port, caFile: options.pki.caFile }, tree },
      tunnel: {
        target: { way: "tunnel", port: tunnelPort, to: `127.0.0.1:${options.upstream.plainPort}` },
        tree,
      },
    },
    version: version(),
    stop: () => service.stop(),
  };
}

function version(): string {
  const answer = spawnSync("/usr/sbin/squid", ["-v"], { encoding: "utf8" });
  return /Version (\S+)/.exec(answer.stdout ?? "")?.[1] ?? "unknown";
}

/**
 * client_request_buffer_max_size: where that buffer is full of a body that comes in over TLS, squid 5.7 reads nothing into no room, takes it
 * for the end of the connection and closes it. So it must be larger than any body.
 */
function configuration(options: ContenderOptions, port: number, tunnelPort: number): string {
  const { directory, pki, upstream } = options;
  return `
visible_hostname squid.invalid
pid_filename ${directory}/squid.pid
coredump_dir ${directory}
cache_log ${directory}/output.log
access_log none
cache_store_log none
shutdown_lifetime 0 seconds
max_filedescriptors 20000
pinger_enable off

http_port 127.0.0.1:${port} ssl-bump generate-host-certificates=on dynamic_cert_mem_cache_size=4MB cert=${pki.rsaRoot.certificateFile} key=${pki.rsaRoot.keyFile}
http_port 127.0.0.1:${tunnelPort}
sslcrtd_program ${certificateDaemon} -s ${directory}/certificates -M 4MB
sslcrtd_children 2 startup=1 idle=1
acl bumped localport ${port}
ssl_bump bump all

acl registry dstdomain ${registryHost}
http_access allow all
cache_peer 127.0.0.1 parent ${upstream.port} 0 no-query no-digest no-netdb-exchange originserver name=registry tls tls-cafile=${pki.caFile} tls-domain=${registryHost}
cache_peer_access registry allow registry
cache_peer_access registry deny all
never_direct allow registry

cache_mem 256 MB
maximum_object_size_in_memory 512 KB
maximum_object_size 64 GB
cache_dir aufs ${directory}/cache 65536 16 256
collapsed_forwarding on
client_request_buffer_max_size 1 GB
client_idle_pconn_timeout 10 minutes
refresh_pattern . 525600 100% 525600 override-expire override-lastmod
`;
}
