import t, { type Test } from "tap";
import { blobRequests, blobsFetched } from "./daemons/access-log.ts";
import { startDockerd } from "./daemons/dockerd.ts";
import { skipWithout } from "./machine/programs.ts";
import { injected, login, privateHost, setStage } from "./stage.ts";

t.setTimeout(240_000);
const skip = skipWithout("dockerd", "docker", "containerd", "runc", "docker-registry", "skopeo", "htpasswd", "openssl");

await t.test("dockerd", { skip }, async (t: Test) => {
  const stage = await setStage(t, { AUTH_REGISTRIES: injected });
  const { hub, hubImage, mine, mineImage, proxy, place } = stage;
  const engine = await startDockerd(place, proxy.clientEnvironment);
  const { docker } = engine;
  const digestOf = (image: string) => docker("inspect", "--format", "{{json .RepoDigests}}", image);
  const statuses = (kind: string, from: number) =>
    proxy
      .log()
      .slice(from)
      .flatMap((line) => (line["kind"] === kind ? [line["cache"]] : []));

  await t.test("a first pull fetches each blob once", async (t) => {
    const seen = await hub.during(() => docker("pull", "app:1.2.3"));
    t.same(blobsFetched(seen).toSorted(), [...hubImage.blobs].toSorted());
    t.match(await digestOf("app:1.2.3"), hubImage.digest);
    t.same(new Set(statuses("blob", 0)), new Set(["MISS"]));
  });

  await t.test("a second pull fetches none", async (t) => {
    await docker("rmi", "app:1.2.3");
    const from = proxy.log().length;
    const seen = await hub.during(() => docker("pull", "app:1.2.3"));
    t.same(blobRequests(seen), []);
    t.match(await digestOf("app:1.2.3"), hubImage.digest);
    t.same(new Set(statuses("blob", from)), new Set(["HIT"]));
  });

  await t.test("a private image needs no docker login, and is not the other registry's of the same name", async (t) => {
    const image = `${privateHost}/library/app:1.2.3`;
    const fromHub = await hub.during(async () => {
      t.same(blobsFetched(await mine.during(() => docker("pull", image))).toSorted(), [...mineImage.blobs].toSorted());
    });
    t.same(fromHub, []);
    t.match(await digestOf(image), mineImage.digest);
    t.equal(await docker("inspect", "--format", "{{.Config.Labels.content}}", image), "from the private registry");
    t.equal(await docker("inspect", "--format", "{{.Config.Labels.content}}", "app:1.2.3"), "from the hub");
    t.notMatch(JSON.stringify(proxy.log()), login.password);
  });

  await t.test("a push is refused, and the refusal names the option", async (t) => {
    await docker("tag", "app:1.2.3", "pushed:1");
    const seen = await hub.during(async () => {
      const { code, stdout, stderr } = await engine.attempt(["push", "pushed:1"]);
      t.not(code, 0);
      t.match(`${stdout}${stderr}`, "ALLOW_PUSH");
    });
    t.same(
      seen.filter(({ method }) => !["GET", "HEAD"].includes(method)),
      [],
    );
  });

  await t.test("with ALLOW_PUSH a push arrives", async (t) => {
    // Without the private registry's login: with it, dockerd could read without one of its own, and would send none with a push either.
    await proxy.restart({ ALLOW_PUSH: "true", AUTH_REGISTRIES: "" });
    const output = await docker("push", "pushed:1");
    t.match(output, await hub.digest("library/pushed", "1"));
    // The hub has the layers already under another name; this registry has to be sent them, with the client's own login.
    const target = `${privateHost}/mine/pushed:1`;
    await docker("tag", "app:1.2.3", target);
    await docker("login", "--username", login.user, "--password", login.password, privateHost);
    const seen = await mine.during(async () => {
      t.match(await docker("push", target), /digest: sha256:[0-9a-f]{64}/);
    });
    t.equal(seen.filter(({ method, status }) => method === "PUT" && status === 201).length, hubImage.blobs.length + 1);
    await docker("rmi", target);
    await docker("pull", target);
    t.match(await digestOf(target), await mine.digest("mine/pushed", "1"));
    await docker("logout", privateHost);
  });

  await t.test("without a login a push needs INJECT_ON_PUSH", async (t) => {
    const target = `${privateHost}/injected/pushed:1`;
    await docker("tag", "app:1.2.3", target);
    await proxy.restart({ ALLOW_PUSH: "true" });
    const { code, stdout, stderr } = await engine.attempt(["push", target]);
    t.not(code, 0);
    t.match(`${stdout}${stderr}`, "INJECT_ON_PUSH");
    await proxy.restart({ ALLOW_PUSH: "true", INJECT_ON_PUSH: "true" });
    t.match(await docker("push", target), await mine.digest("injected/pushed", "1"));
    await docker("rmi", target);
  });

  await t.test("what was cached before a restart is cached after it", async (t) => {
    await docker("rmi", "app:1.2.3", "pushed:1", `${privateHost}/mine/pushed:1`);
    const seen = await hub.during(() => docker("pull", "app:1.2.3"));
    t.same(blobRequests(seen), []);
  });
});
