import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { debian } from "../images/debian.ts";
import { accepts } from "../machine/ports.ts";
import type { Place } from "../machine/place.ts";
import { until } from "../machine/until.ts";
import type { Docker } from "./dockerd.ts";

const files = {
  // As k3d's: preparations, then k3s in the background, then a wait for its end.
  "k3d-entrypoint.sh": `#!/bin/sh
set -o errexit
/bin/k3s "$@" &
k3s_pid=$!
trap 'kill -15 $k3s_pid' TERM
wait $k3s_pid
`,
  // Of k3s only what is asked here: containerd gets the variables that begin with CONTAINERD_, without the prefix, and no other proxy.
  k3s: `#!/bin/bash
variables=()
while IFS='=' read -r name value; do
  [[ $name == CONTAINERD_* ]] && variables+=("\${name#CONTAINERD_}=$value")
done < <(env)
rm -f /run/containerd/containerd.sock*
exec env "\${variables[@]}" containerd
`,
  Dockerfile: `FROM ${debian}
COPY k3d-entrypoint.sh k3s /bin/
VOLUME /var/lib/containerd
ENTRYPOINT ["/bin/k3d-entrypoint.sh"]
CMD ["server"]
`,
};

/** Starts a container that is made as a node of k3d is, without Kubernetes. Returns the socket of its containerd. */
export async function startK3sNode(place: Place, engine: Docker, name: string): Promise<string> {
  const context = place.folder("k3s-image");
  for (const [file, content] of Object.entries(files)) {
    writeFileSync(join(context, file), content);
    chmodSync(join(context, file), 0o755);
  }
  await engine.docker("build", "--quiet", "--tag", "k3s:test", context);
  const run = place.folder(name);
  const rights = ["--cap-add=ALL", "--cap-drop=SYS_RESOURCE", "--security-opt=seccomp=unconfined"];
  const options = [...rights, "--security-opt=apparmor=unconfined", "--tmpfs=/run", `--volume=${run}:/run/containerd`];
  await engine.docker("run", "--detach", "--network=host", `--name=${name}`, ...options, "k3s:test");
  place.atEnd(async () => {
    await engine.attempt(["rm", "--force", "--volumes", name]);
  });
  const socket = join(run, "containerd.sock");
  await until(`containerd runs in ${name}`, 30_000, () => accepts(socket));
  return socket;
}
