import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { Docker } from "../daemons/dockerd.ts";
import { ownEnvironment } from "../machine/environment.ts";
import { ownPrefix, sweepDirectories } from "../machine/leftovers.ts";
import { contained, run } from "../machine/run.ts";

/** What a node of a cluster has: systemd and containerd, and what the scripts fetch their files with; libatomic1 is for node 26. */
const packages = ["systemd", "systemd-sysv", "dbus", "curl", "wget", "ca-certificates", "containerd", "libatomic1"];

/** Where the tree is kept between runs; it takes a minute to make. */
const cache = process.env["E2E_CACHE_DIR"] ?? "/var/cache/entrepot-e2e";

/** A tar archive of a small Debian 12 with systemd and containerd in it, from the mirror that this machine's apt uses. */
export async function debianArchive(): Promise<string> {
  const recipe = createHash("sha256").update(packages.join()).digest("hex").slice(0, 12);
  const archive = join(cache, `bookworm-${recipe}.tar`);
  if (existsSync(archive)) return archive;
  mkdirSync(cache, { recursive: true });
  sweepDirectories(cache);
  const work = mkdtempSync(join(cache, ownPrefix));
  try {
    const env = ownEnvironment(work);
    const tree = join(work, "tree");
    const targets = ["indextargets", "--format", "$(REPO_URI)", "Created-By: Packages", "Codename: bookworm"];
    const [mirror = ""] = (await run("apt-get", targets, { env })).trim().split("\n");
    if (mirror === "") throw new Error("apt-get has no package lists of bookworm; run apt-get update.");
    const options = ["--variant=minbase", `--include=${packages.join()}`, "bookworm", tree, mirror];
    await run("env", contained("debootstrap", options), { env, timeout: 400_000 });
    const left = ["var/cache/apt", "var/lib/apt/lists", "usr/share/doc", "usr/share/man", "usr/share/locale"];
    const excluded = left.map((path) => `--exclude=./${path}/*`);
    const made = join(work, "tree.tar");
    await run("tar", ["--create", "--file", made, "--directory", tree, ...excluded, "."], { env });
    renameSync(made, archive);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  return archive;
}

/** The name under which an engine has it, once imported. */
export const debian = "debian:test";

export async function importDebian(engine: Docker): Promise<void> {
  await engine.docker("import", await debianArchive(), debian);
}
