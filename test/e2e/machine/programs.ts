import { accessSync, constants } from "node:fs";
import { join } from "node:path";
import { ownEnvironment } from "./environment.ts";

/** What it takes to pull a private image with each engine. */
export const engines = [
  "dockerd",
  "docker",
  "containerd",
  "ctr",
  "runc",
  "skopeo",
  "docker-registry",
  "htpasswd",
  "openssl",
] as const;

/**
 * The option `skip` of a test that needs these programs: false where all are here, else the reason.
 * With CI=true a missing one is an error, so that a whole topic cannot go missing without anybody noticing.
 */
export function skipWithout(...programs: readonly string[]): string | false {
  const missing = programs.filter((program) => !isOnPath(program));
  if (process.getuid?.() !== 0) missing.push("root rights");
  if (missing.length === 0) return false;
  const reason = `needs ${missing.join(", ")}; scripts/e2e-deps.sh installs what Debian has of them`;
  if (process.env["CI"] === "true") throw new Error(reason);
  return reason;
}

function isOnPath(program: string): boolean {
  return (ownEnvironment("/")["PATH"] ?? "").split(":").some((directory) => {
    try {
      accessSync(join(directory, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}
