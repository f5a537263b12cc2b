import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { startDaemon } from "../machine/daemon.ts";
import { ownEnvironment } from "../machine/environment.ts";
import type { Place } from "../machine/place.ts";
import { accepts } from "../machine/ports.ts";
import { attempt, contained, type Outcome, run } from "../machine/run.ts";

/** A containerd of the test's own. */
export interface Containerd {
  /** Its socket, where the image service that a kubelet talks to answers too. */
  readonly socket: string;
  /** Runs `ctr ...`, which must succeed. `ctr images pull` fetches in its own process, so it has the same environment. */
  ctr(...args: readonly string[]): Promise<string>;
  attempt(...args: readonly string[]): Promise<Outcome>;
  /** Ends it; its images stay on the disk until the test is over. */
  stop(): Promise<boolean>;
}

/**
 * @param environment of containerd and ctr: their proxy and whom they trust
 * @param name of its directory, short; one of another name is another machine, which has no image yet
 * @param hosts directory of the hosts.toml that a kubelet's pulls go by
 */
export async function startContainerd(
  place: Place,
  environment: Readonly<Record<string, string>>,
  name = "containerd",
  hosts?: string,
): Promise<Containerd> {
  const home = place.folder(name);
  const socket = join(home, "sock");
  const env = ownEnvironment(home, environment);
  const configuration = join(home, "config.toml");
  writeFileSync(
    configuration,
    `version = 2
root = "${join(home, "root")}"
state = "${join(home, "state")}"
[grpc]
  address = "${socket}"
[plugins."io.containerd.grpc.v1.cri"]
  [plugins."io.containerd.grpc.v1.cri".cni]
    conf_dir = "${join(home, "cni")}"
${hosts === undefined ? "" : `  [plugins."io.containerd.grpc.v1.cri".registry]\n    config_path = "${hosts}"\n`}`,
  );
  const daemon = await startDaemon(place, {
    name,
    command: contained("containerd", ["--config", configuration]),
    env,
    ready: () => accepts(socket),
  });
  const ctr = (args: readonly string[]) => ["ctr", "--address", socket, ...args];
  return {
    socket,
    ctr: (...args) => run("env", ctr(args), { env }),
    attempt: (...args) => attempt("env", ctr(args), { env }),
    stop: () => daemon.stop(),
  };
}
