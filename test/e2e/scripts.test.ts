import { chmodSync, globSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import t, { type Test } from "tap";
import { ownEnvironment } from "./machine/environment.ts";
import { openPlace } from "./machine/place.ts";
import { skipWithout } from "./machine/programs.ts";
import { attempt, run } from "./machine/run.ts";

t.setTimeout(60_000);
const root = resolve(import.meta.dirname, "../..");

await t.test("shellcheck has nothing to say", { skip: skipWithout("shellcheck") }, async (t: Test) => {
  const place = openPlace(t);
  const scripts = globSync(["scripts/*.sh", "test/e2e/**/*.sh"], { cwd: root });
  t.ok(scripts.length >= 4);
  t.equal(await run("shellcheck", scripts, { cwd: root, env: ownEnvironment(place.directory) }), "");
});

// The tools of the cluster are stand-ins here; node.test.ts has real nodes.
const tools = {
  kind: `echo "one"; echo "two"; echo "three"`,
  k3d: `for node in one two three; do echo "$node server c 1/1"; done`,
  // Each node's first command waits for those of all others, so that one after the other would never end.
  docker: `[ "$2" = gone ] && exit 1
[ "$1" = restart ] && exit 0
touch "$HOME/began-$2"
until [ -e "$HOME/began-one" ] && [ -e "$HOME/began-two" ] && [ -e "$HOME/began-three" ]; do sleep 0.05; done
case $FAILING in *"$2"*) echo "no luck with $2" >&2; exit 7 ;; esac`,
};

for (const name of ["kind", "k3d"] as const) {
  await t.test(`${name}.sh`, { skip: skipWithout("setpriv") }, async (t: Test) => {
    const place = openPlace(t);
    const bin = place.folder("bin");
    const script = async (variables: Record<string, string>, nodes: string = tools[name]) => {
      for (const [tool, body] of Object.entries({ ...tools, [name]: nodes })) {
        writeFileSync(join(bin, tool), `#!/bin/sh\n${body}\n`);
        chmodSync(join(bin, tool), 0o755);
      }
      const env = ownEnvironment(place.folder("home"), { NODE_TIMEOUT: "10", FAILING: "", ...variables });
      const path = `${bin}:${env["PATH"] ?? ""}`;
      return await attempt(join(root, `scripts/${name}.sh`), ["c"], { env: { ...env, PATH: path } });
    };
    const line = (node: string) => `${node}: uses http://docker-registry-proxy:3128\n`;

    await t.test("all nodes at once", async (t) => {
      t.same(await script({}), { code: 0, stdout: line("one") + line("two") + line("three"), stderr: "" });
    });
    await t.test("a node that fails", async (t) => {
      const { code, stdout, stderr } = await script({ FAILING: "two" });
      t.equal(code, 1);
      t.equal(stdout, line("one") + line("three"));
      t.equal(stderr, `two: failed with exit code 7\n    no luck with two\n${name}.sh: 1 of 3 nodes failed\n`);
    });
    await t.test("a cluster without nodes, and values that are none", async (t) => {
      t.match(await script({}, "true"), { code: 2, stderr: /the cluster "c" has no nodes/ });
      t.match(await script({ PROXY_URL: "http://a;reboot" }), { code: 2, stderr: /PROXY_URL/ });
      t.match(await script({ NODE_NO_PROXY: "$(reboot)" }), { code: 2, stderr: /NODE_NO_PROXY/ });
    });
  });
}
