import { randomBytes } from "node:crypto";
import { join } from "node:path";
import t from "tap";
import { run } from "../../../src/cli/run.ts";
import { startBare } from "../../integration/hosted/bare.ts";
import { recordedIo } from "./recorder.ts";

async function gc(...argv: readonly string[]): Promise<{ code: number; out: string; err: string }> {
  const io = recordedIo();
  const code = await run({ argv: ["gc", ...argv], env: {}, io });
  return { code, out: io.stdout.text, err: io.stderr.text };
}

t.test("what no manifest refers to goes, also under a registry that runs, and the sum is told", async (t) => {
  const storage = t.testdir();
  const { client, stop } = await startBare({ storage });
  t.teardown(stop);
  await client.pushImage("team/app", "1");
  const loose = await client.pushBlob("team/app", randomBytes(3 * 1024));
  t.match(await gc("--registry-storage", storage), {
    code: 0,
    out: "0 blobs (0B) and 0 idle uploads removed, 3 blobs kept.\n",
  });
  t.match(await gc("--registry-storage", storage, "--gc-grace", "0"), {
    code: 0,
    out: "1 blobs (3KiB) and 0 idle uploads removed, 2 blobs kept.\n",
    err: "",
  });
  t.equal((await client.request(`/v2/team/app/blobs/${loose}`)).status, 404);
});

t.test("without a storage there is nothing to collect: it says which option is meant", async (t) => {
  t.match(await gc(), { code: 2, err: /^entrepot: REGISTRY_STORAGE: it is not set/ });
  t.match(await gc("--registry-storage", join(t.testdir(), "none")), {
    code: 2,
    err: /^entrepot: REGISTRY_STORAGE: there is no directory .+none/,
  });
});
