import t from "tap";
import { gate } from "../../fixtures/gate.ts";
import { uniqueBytes } from "../../fixtures/registry.ts";
import { clientOf, lineOf, stage, until } from "../stage.ts";

for (const [abandon, ended] of [
  ["finish", "finished"],
  ["stop", "cut"],
] as const) {
  t.test(`CACHE_FILL_ABANDON=${abandon}: a download that everybody left is ${ended}`, async (t) => {
    const { registry, proxy, client } = await stage(t, { env: { CACHE_FILL_ABANDON: abandon } });
    const blob = registry.blob("library/app", uniqueBytes(3_000_000));
    const path = `/v2/library/app/blobs/${blob.digest}`;
    const rest = gate();
    registry.fault({ reference: blob.digest }, { stall: { after: 1_000_000, until: rest } });
    const [one, other] = [clientOf(t, proxy), clientOf(t, proxy)];
    const answers = [await one.open(path), await other.open(path)];
    for (const answer of answers) answer.on("error", () => undefined).resume();
    const asked = await registry.seen({ reference: blob.digest, method: "GET" });
    for (const answer of answers) answer.destroy();
    if (abandon === "finish") {
      const gone = (): unknown[] => proxy.logLines.filter(({ error }) => error === "CANCELLED");
      await until(() => gone().length === 2);
      rest.open();
    }
    t.equal(await registry.ended(asked), ended);
    rest.open();
    registry.clearFaults();
    const pulled = await client.hash(path);
    t.equal(pulled.digest, blob.digest);
    t.equal(registry.count({ reference: blob.digest, method: "GET" }), abandon === "finish" ? 1 : 2);
  });
}

t.test("who leaves before its registry has answered is not held until it does", async (t) => {
  const { registry, proxy, client } = await stage(t, { env: { CACHE_FILL_ABANDON: "stop" } });
  const blob = registry.blob("library/app", uniqueBytes(300_000));
  const path = `/v2/library/app/blobs/${blob.digest}`;
  const answers = gate();
  const clear = registry.fault({ reference: blob.digest }, { holdUntil: answers });
  const leaving = new AbortController();
  const left = t.rejects(clientOf(t, proxy).open(path, { signal: leaving.signal }));
  const asked = await registry.seen({ reference: blob.digest, method: "GET" });
  leaving.abort();
  await left;
  t.match(await lineOf(proxy, ({ method }) => method === "GET"), { error: "CANCELLED" });
  t.equal(await registry.ended(asked), "cut", "and nobody is left to download it for");
  answers.open();
  clear();
  t.match(await client.hash(path), { status: 200, digest: blob.digest });
});
