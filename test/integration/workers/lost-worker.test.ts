import { createHash } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { finished } from "node:stream/promises";
import t from "tap";
import { gate } from "../../fixtures/gate.ts";
import { uniqueBytes } from "../../fixtures/registry.ts";
import { crewStage, eventually, spools } from "./crew.ts";

const before = 1_500_000;
const size = 4_000_000;

async function outcome(answer: IncomingMessage): Promise<string> {
  const hash = createHash("sha256");
  answer.on("data", (piece: Buffer) => hash.update(piece));
  await finished(answer).catch(() => undefined);
  return answer.complete ? `sha256:${hash.digest("hex")}` : "cut";
}

t.test("a worker killed in the middle of a flight: another goes on from the byte it had", async (t) => {
  const { registry, proxy, process: parent, clients } = await crewStage(t);
  const blob = registry.blob("library/app", uniqueBytes(size));
  const path = `/v2/library/app/blobs/${blob.digest}`;
  const rest = gate();
  registry.fault({ reference: blob.digest, method: "GET" }, { stall: { after: before, until: rest } }, 1);
  const crowd = clients(6);
  const answers = await Promise.all(crowd.map((client) => client.open(path)));
  t.same([...new Set(answers.map(({ statusCode }) => statusCode))], [200]);
  t.equal(registry.count({ kind: "blob" }), 1, "all of them follow one transfer");
  const outcomes = answers.map((answer) => outcome(answer));
  const spool = await eventually(() => spools(proxy).find((file) => file.size >= before));
  t.ok(parent.workers().includes(spool.pid));
  process.kill(spool.pid, "SIGKILL");
  const ends = await Promise.all(outcomes);
  rest.open();
  t.same(new Set(ends), new Set(["cut", blob.digest]), "its own clients are cut, the others notice nothing");
  const gets = registry.requests.filter(({ kind }) => kind === "blob");
  t.equal(gets.length, 2);
  t.equal(gets[1]?.headers["range"], `bytes=${before}-`);
  t.equal(registry.bytesSent({ kind: "blob" }), size, "no byte twice");

  await eventually(() => parent.workers().length === 2);
  for (const client of clients(4)) {
    t.match(await client.hash(path), { digest: blob.digest, cache: "HIT" });
  }
  t.equal(registry.count({ kind: "blob", method: "GET" }), 2);
  t.same(spools(proxy), [], "and nothing is left over");
});

t.test("a worker killed whose flight nobody else follows leaves nothing behind", async (t) => {
  const { registry, proxy, clients } = await crewStage(t);
  const blob = registry.blob("library/app", uniqueBytes(size));
  const path = `/v2/library/app/blobs/${blob.digest}`;
  const rest = gate();
  registry.fault({ reference: blob.digest, method: "GET" }, { stall: { after: before, until: rest } }, 1);
  const [client] = clients(1);
  const answer = await client?.open(path);
  if (answer === undefined) throw new Error("There is a client.");
  const end = outcome(answer);
  const spool = await eventually(() => spools(proxy).find((file) => file.size >= before));
  process.kill(spool.pid, "SIGKILL");
  rest.open();
  t.equal(await end, "cut");
  await eventually(() => spools(proxy).length === 0);
  for (const other of clients(2)) t.equal((await other.hash(path)).digest, blob.digest);
  t.equal(registry.count({ kind: "blob", method: "GET" }), 2, "it is fetched anew, once");
});

t.test("a worker killed before its registry has answered: another asks in its place", async (t) => {
  const { registry, proxy, clients } = await crewStage(t);
  const blob = registry.blob("library/app", uniqueBytes(300_000));
  const path = `/v2/library/app/blobs/${blob.digest}`;
  const answers = gate();
  registry.fault({ reference: blob.digest, method: "GET" }, { holdUntil: answers }, 1);
  const [first, second] = clients(2);
  const one = first?.hash(path).catch(() => "cut");
  await registry.seen({ reference: blob.digest, method: "GET" });
  const spool = await eventually(() => spools(proxy)[0]);
  const other = second?.hash(path).catch(() => "cut");
  process.kill(spool.pid, "SIGKILL");
  t.equal(await one, "cut");
  t.match(await other, { digest: blob.digest });
  answers.open();
});
