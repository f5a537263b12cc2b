import { copyFileSync, cpSync, existsSync, realpathSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Docker } from "../daemons/dockerd.ts";
import { ownEnvironment } from "../machine/environment.ts";
import type { Place } from "../machine/place.ts";
import { run } from "../machine/run.ts";
import { debian } from "./debian.ts";

/**
 * Gives the engine a base image under the name that the Dockerfile has: Debian, the node of the major version in that name, and npm.
 * What a build on this machine needs to reach npm's registry is in this image only: the machine's certificates and the
 * registry's address.
 */
export async function makeNodeBase(place: Place, engine: Docker, name: string): Promise<void> {
  const context = place.folder("node-base");
  const env = ownEnvironment(context);
  await fetchNode(context, /^node:(\d+)/.exec(name)?.[1] ?? "");
  const npm = realpathSync((await run("sh", ["-c", "command -v npm"], { env })).trim());
  cpSync(dirname(dirname(npm)), join(context, "npm"), { recursive: true });
  const certificates = process.env["NODE_EXTRA_CA_CERTS"] ?? "/etc/ssl/certs/ca-certificates.crt";
  if (existsSync(certificates)) copyFileSync(certificates, join(context, "certificates.pem"));
  const registry = (
    await run("npm", ["config", "get", "registry"], { env: { ...env, HOME: process.env["HOME"] ?? "/" } })
  ).trim();
  writeFileSync(join(context, "npmrc"), `registry=${registry}\n`);
  writeFileSync(
    join(context, "Dockerfile"),
    `FROM ${debian}
COPY node /usr/local/bin/node
COPY npm /usr/local/lib/node_modules/npm
COPY npmrc /usr/local/etc/npmrc
COPY certificates.pem /usr/local/share/certificates.pem
RUN ln -s ../lib/node_modules/npm/bin/npm-cli.js /usr/local/bin/npm && useradd --create-home --uid 1000 node
ENV NODE_EXTRA_CA_CERTS=/usr/local/share/certificates.pem
CMD ["node"]
`,
  );
  await engine.docker("build", "--quiet", "--network=none", "--tag", name, context);
}

/** Puts a `node` of a major version into a directory, from the package that the `node` package itself takes it from. */
async function fetchNode(directory: string, major: string): Promise<void> {
  const set = Object.entries(process.env).flatMap(([key, value]) =>
    value === undefined ? [] : [[key, value] as const],
  );
  const env = Object.fromEntries(set);
  const packed = await run("npm", ["pack", "--silent", `node-linux-${process.arch}@${major}`], { env, cwd: directory });
  const archive = packed.trim().split("\n").at(-1) ?? "";
  await run("tar", ["--extract", "--file", archive, "--strip-components=2", "package/bin/node"], {
    env,
    cwd: directory,
  });
}
