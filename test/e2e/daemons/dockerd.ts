import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { startDaemon } from "../machine/daemon.ts";
import { ownEnvironment } from "../machine/environment.ts";
import type { Place } from "../machine/place.ts";
import { attempt, contained, type Outcome, run, type RunOptions } from "../machine/run.ts";

/** A docker engine of the test's own, and the client that talks to it. */
export interface Docker {
  /** For programs that find the engine by their environment. */
  readonly environment: Record<string, string>;
  /** Runs `docker ...`, which must succeed; returns its standard output, trimmed. */
  readonly docker: (...args: readonly string[]) => Promise<string>;
  /** Runs `docker ...` whatever comes of it. */
  readonly attempt: (args: readonly string[], options?: Partial<RunOptions>) => Promise<Outcome>;
  /** Ends the engine; its images stay on the disk until the test is over. */
  readonly stop: () => Promise<boolean>;
}

/**
 * Starts dockerd and its containerd without touching the machine: no bridge, no firewall rules, no file outside the
 * place. Containers have the host's network or none.
 * @param environment of the engine: its proxy and whom it trusts
 * @param name of its directory, short; one of another name is another machine, which has no image yet
 * @param more of daemon.json
 */
export async function startDockerd(
  place: Place,
  environment: Readonly<Record<string, string>>,
  name = "docker",
  more: Readonly<Record<string, unknown>> = {},
): Promise<Docker> {
  const home = place.folder(name);
  const socket = `unix://${join(home, "sock")}`;
  const configuration = join(home, "daemon.json");
  const settings = {
    "storage-driver": "overlay2",
    "data-root": join(home, "data"),
    "exec-root": join(home, "exec"),
    bridge: "none",
    iptables: false,
    ip6tables: false,
    "max-download-attempts": 1,
    "max-concurrent-downloads": 6,
    ...more,
  };
  writeFileSync(configuration, JSON.stringify(settings));
  const files = ["--config-file", configuration, "--pidfile", join(home, "pid"), "--host", socket];
  const client = ownEnvironment(home, {
    DOCKER_HOST: socket,
    DOCKER_CONFIG: place.folder(`${name}/client`),
    // Debian has no buildx.
    DOCKER_BUILDKIT: "0",
  });
  const daemon = await startDaemon(place, {
    name: name === "docker" ? "dockerd" : name,
    command: contained("dockerd", files),
    env: ownEnvironment(home, environment),
    ready: async () => {
      const { code } = await attempt("docker", ["version"], { env: client });
      return code === 0 ? true : undefined;
    },
  });
  return {
    environment: client,
    docker: async (...args) => (await run("docker", args, { env: client, timeout: 300_000 })).trim(),
    attempt: (args, options) => attempt("docker", args, { env: client, ...options }),
    stop: () => daemon.stop(),
  };
}
