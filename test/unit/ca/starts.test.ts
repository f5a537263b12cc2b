import { spawn } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import t from "tap";
import { openAuthority } from "../../../src/ca/authority.ts";

const authorityUrl = new URL("../../../src/ca/authority.ts", import.meta.url).href;

/** Waits for a line, so that all of them open the CA in the same moment. */
const starter = `
  const { openAuthority } = await import(${JSON.stringify(authorityUrl)});
  process.stdout.write("ready\\n");
  await new Promise((resolve) => process.stdin.once("data", resolve));
  process.stdin.destroy();
  const { fingerprint, created } = await openAuthority({ directory: process.argv[1] });
  process.stdout.write(JSON.stringify({ fingerprint, created }) + "\\n");
`;

interface Started {
  readonly fingerprint: string;
  readonly created: boolean;
}

t.test("processes that start at once end with one root", async (t) => {
  for (const round of [1, 2]) {
    const directory = join(t.testdir(), `ca-${round}`);
    const children = Array.from({ length: 5 }, () =>
      spawn(process.execPath, ["--input-type=module", "-e", starter, directory], {
        stdio: ["pipe", "pipe", "inherit"],
      }),
    );
    await Promise.all(children.map(async (child) => await once(child.stdout, "readable")));
    for (const child of children) child.stdin.write("go\n");
    const outputs = await Promise.all(children.map(async (child) => await text(child.stdout)));
    const started = outputs.map((output) => JSON.parse(output.replace("ready\n", "")) as Started);
    t.equal(started.length, 5);
    t.equal(new Set(started.map((one) => one.fingerprint)).size, 1);
    t.equal(started.filter((one) => one.created).length, 1);
    t.strictSame(readdirSync(directory).toSorted(), ["ca.crt", "ca.key"]);
    t.equal((await openAuthority({ directory })).fingerprint, started[0]?.fingerprint);
  }
});

t.test("many openings in one process, too", async (t) => {
  const directory = join(t.testdir(), "deep", "ca");
  const opened = await Promise.all(Array.from({ length: 20 }, async () => await openAuthority({ directory })));
  t.equal(new Set(opened.map((one) => one.fingerprint)).size, 1);
  t.equal(opened.filter((one) => one.created).length, 1);
});

t.test("a start killed after the key and before the certificate is completed by the next", async (t) => {
  const directory = t.testdir({ before: {}, after: {} });
  const { fingerprint } = await openAuthority({ directory: join(directory, "before") });
  copyFileSync(join(directory, "before", "ca.key"), join(directory, "after", "ca.key"));
  const next = await openAuthority({ directory: join(directory, "after") });
  t.equal(next.fingerprint, fingerprint);
  t.equal(next.created, false);
  t.equal(readFileSync(join(directory, "after", "ca.crt"), "utf8"), next.rootPem);
});
