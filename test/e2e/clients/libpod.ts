import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { ownEnvironment } from "../machine/environment.ts";
import type { Place } from "../machine/place.ts";
import { attempt, contained, type Outcome, run } from "../machine/run.ts";

type Command = (...args: readonly string[]) => Promise<string>;

/** podman, skopeo and buildah with one image store and one login file of the test's own. */
export interface Libpod {
  readonly podman: Command;
  readonly skopeo: Command;
  readonly buildah: Command;
  readonly attempt: (command: "podman" | "skopeo" | "buildah", ...args: readonly string[]) => Promise<Outcome>;
}

/** @param environment of the programs: their proxy and whom they trust */
export function libpod(place: Place, environment: Readonly<Record<string, string>>): Libpod {
  const home = place.folder("libpod");
  const storage = join(home, "storage.conf");
  writeFileSync(
    storage,
    `[storage]\ndriver = "overlay"\ngraphroot = "${join(home, "graph")}"\nrunroot = "${join(home, "run")}"\n`,
  );
  const containers = join(home, "containers.conf");
  writeFileSync(containers, `[engine]\ntmp_dir = "${join(home, "tmp")}"\nevents_logger = "none"\n`);
  const logins = join(home, "auth.json");
  writeFileSync(logins, "{}");
  const env = ownEnvironment(home, {
    ...environment,
    CONTAINERS_STORAGE_CONF: storage,
    CONTAINERS_CONF: containers,
    REGISTRY_AUTH_FILE: logins,
    BUILDAH_ISOLATION: "chroot",
  });
  const command =
    (name: string): Command =>
    async (...args) =>
      (await run("env", contained(name, args), { env })).trim();
  return {
    podman: command("podman"),
    skopeo: command("skopeo"),
    buildah: command("buildah"),
    attempt: (name, ...args) => attempt("env", contained(name, args), { env }),
  };
}
