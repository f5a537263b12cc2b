import { chmodSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import t, { type Test } from "tap";
import { criPull } from "./clients/cri.ts";
import { startDockerd } from "./daemons/dockerd.ts";
import { startK3sNode } from "./daemons/k3s-node.ts";
import { startSystemdNode } from "./daemons/systemd-node.ts";
import { importDebian } from "./images/debian.ts";
import { skipWithout } from "./machine/programs.ts";
import { attempt } from "./machine/run.ts";
import { setStage } from "./stage.ts";

t.setTimeout(540_000);
const skip = skipWithout("dockerd", "docker", "containerd", "runc", "docker-registry", "skopeo", "debootstrap", "curl");
const scripts = resolve(import.meta.dirname, "../../scripts");
const image = "docker.io/library/app:1.2.3";

// Making the Debian tree, once per machine, is most of the time.
await t.test("nodes of a cluster", { skip }, async (t: Test) => {
  const { hubImage, proxy, place } = await setStage(t);
  const engine = await startDockerd(place, {});
  await importDebian(engine);
  const config = hubImage.blobs.at(-1);

  /** Runs one of the scripts with a stand-in for the cluster's own tool, which only lists the nodes. */
  const script = async (name: string, lines: readonly string[]) => {
    const bin = place.folder("bin");
    const tool = join(bin, name);
    writeFileSync(tool, `#!/bin/sh\ncat << END\n${lines.join("\n")}\nEND\n`);
    chmodSync(tool, 0o755);
    const env: Record<string, string> = { ...engine.environment, PROXY_URL: proxy.url, NODE_TIMEOUT: "60" };
    const path = `${bin}:${env["PATH"] ?? ""}`;
    return await attempt(join(scripts, `${name}.sh`), ["cluster"], { env: { ...env, PATH: path } });
  };

  await t.test("the set-up script through the users' pipe", async (t) => {
    const node = await startSystemdNode(place, engine, "pipe");
    await t.rejects(criPull(node.socket, image), /no such host|lookup/, "without the proxy there is no such registry");
    const pipe = [
      `curl ${proxy.url}/setup/systemd`,
      String.raw`sed s/docker\.service/containerd\.service/g`,
      String.raw`sed '/Environment/ s/$/ \"NO_PROXY=127.0.0.0\/8,10.0.0.0\/8,172.16.0.0\/12,192.168.0.0\/16\"/'`,
      "bash",
    ];
    const { code, stdout, stderr } = await node.shell(pipe.join(" | "));
    t.equal(code, 0, `${stdout}${stderr}`);
    const environment = (await node.shell("systemctl show --property Environment containerd.service")).stdout;
    t.match(environment, `HTTPS_PROXY=${proxy.url}/`);
    t.match(environment, "NO_PROXY=127.0.0.0/8,10.0.0.0/8,172.16.0.0/12,192.168.0.0/16");
    t.equal(await criPull(node.socket, image), config);
    const trusted = await node.shell(
      `curl --silent --show-error --fail --proxy ${proxy.url} https://registry-1.docker.io/v2/`,
    );
    t.equal(trusted.code, 0, trusted.stderr);
  });

  await t.test("kind.sh configures every node, and says which one failed", async (t) => {
    const nodes = [await startSystemdNode(place, engine, "kind-1"), await startSystemdNode(place, engine, "kind-2")];
    const done = await script(
      "kind",
      nodes.map(({ name }) => name),
    );
    t.equal(done.code, 0, done.stderr);
    t.match(done.stdout, `kind-1: uses ${proxy.url}\nkind-2: uses ${proxy.url}\n`);
    for (const { socket } of nodes) t.equal(await criPull(socket, image), config);
    const again = await script("kind", ["kind-1", "kind-gone", "kind-2"]);
    t.equal(again.code, 1);
    t.equal(again.stdout, `kind-1: uses ${proxy.url}\nkind-2: uses ${proxy.url}\n`);
    t.match(again.stderr, /^kind-gone: failed[^]*No such container[^]*1 of 3 nodes failed/);
  });

  await t.test("k3d.sh configures servers and agents", async (t) => {
    const socket = await startK3sNode(place, engine, "k3d-server-0");
    await t.rejects(criPull(socket, image), /no such host|lookup/);
    const list = ["k3d-server-0 server cluster 1/1", "k3d-serverlb loadbalancer cluster 1/1", "other server other 1/1"];
    for (const time of ["first", "second"]) {
      const { code, stdout, stderr } = await script("k3d", list);
      t.equal(code, 0, `${time} time: ${stderr}`);
      t.equal(stdout, `k3d-server-0: uses ${proxy.url}\n`);
    }
    t.equal(await criPull(socket, image), config);
    const failed = await script("k3d", [...list, "pipe agent cluster 1/1"]);
    t.equal(failed.code, 1);
    t.match(failed.stderr, "make the cluster anew with --env");
  });

  await t.test("each blob came from the registry once for all of them", (t) => {
    const fetched = proxy.log().filter((line) => line["kind"] === "blob" && line["cache"] === "MISS");
    t.equal(fetched.length, hubImage.blobs.length);
    t.end();
  });
});
