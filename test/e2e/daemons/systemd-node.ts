import { join } from "node:path";
import { debian } from "../images/debian.ts";
import type { Place } from "../machine/place.ts";
import type { Outcome } from "../machine/run.ts";
import { until } from "../machine/until.ts";
import type { Docker } from "./dockerd.ts";

/** A container that is a machine: systemd is its first process and runs containerd, as in a node of kind. */
export interface SystemdNode {
  readonly name: string;
  /** The socket of its containerd, reachable from outside. */
  readonly socket: string;
  /** Runs a command line in it with bash. */
  shell(script: string): Promise<Outcome>;
}

/** Starts a node, of the image of `importDebian`, with the host's network and waits until its containerd runs. */
export async function startSystemdNode(place: Place, engine: Docker, name: string): Promise<SystemdNode> {
  const run = place.folder(name);
  // Not --privileged: a machine that is itself a container cannot give SYS_RESOURCE.
  const rights = ["--cap-add=ALL", "--cap-drop=SYS_RESOURCE", "--security-opt=seccomp=unconfined"];
  const system = ["--security-opt=apparmor=unconfined", "--cgroupns=private", "--tmpfs=/run", "--tmpfs=/tmp"];
  const volumes = ["--volume=/sys/fs/cgroup:/sys/fs/cgroup:rw", "--volume=/var/lib/containerd"];
  const shared = [`--volume=${run}:/run/containerd`];
  const options = [...rights, ...system, ...volumes, ...shared];
  await engine.docker("run", "--detach", "--network=host", `--name=${name}`, ...options, debian, "/sbin/init");
  place.atEnd(async () => {
    await engine.attempt(["rm", "--force", "--volumes", name]);
  });
  await until(`containerd runs in ${name}`, 60_000, async () => {
    const { stdout } = await engine.attempt(["exec", name, "systemctl", "is-active", "containerd"]);
    return stdout.trim() === "active" ? true : undefined;
  });
  return {
    name,
    socket: join(run, "containerd.sock"),
    shell: (script) => engine.attempt(["exec", name, "bash", "-c", script]),
  };
}
