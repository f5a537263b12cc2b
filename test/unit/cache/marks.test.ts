import { statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { Marks } from "../../../src/cache/marks.ts";
import { pooledFiles, type SmallFiles } from "../../../src/cache/small-files.ts";
import { Troubles } from "../../../src/cache/trouble.ts";
import { recordingLog } from "./log.ts";
import { turns } from "./pull.ts";

t.test("files are dated some at a time, each with its last use", async (t) => {
  const { promise: all, resolve } = Promise.withResolvers<void>();
  const dated = new Map<string, number>();
  let [running, most] = [0, 0];
  const files: SmallFiles = {
    read: (...of) => pooledFiles.read(...of),
    async mark(path, used) {
      running += 1;
      most = Math.max(most, running);
      await Promise.resolve();
      running -= 1;
      dated.set(path, used);
      if (dated.size === 40) resolve();
      if (path === "7") throw new Error("This one fails.");
    },
  };
  const { log, lines } = recordingLog();
  const marks = new Marks(files, new Troubles(log, { now: Date.now }));
  // Its timer keeps no process up.
  const hold = setInterval(() => undefined, 1000);
  t.teardown(() => clearInterval(hold));
  for (const used of [1000, 2000]) {
    for (let file = 0; file < 40; file += 1) marks.add(String(file), used);
  }
  t.equal(dated.size, 0, "not amid what they are used for");
  await all;
  t.same(new Set(dated.values()), new Set([2000]));
  t.equal(most, 16);
  await turns(1);
  t.match(lines, [/mark a blob as used/]);
});

t.test("an end amid the dating loses none", async (t) => {
  const names = Array.from({ length: 40 }, (_, index) => String(index));
  const directory = t.testdir(Object.fromEntries(names.map((name) => [name, ""])));
  const { promise: first, resolve } = Promise.withResolvers<void>();
  const begun: string[] = [];
  const files: SmallFiles = {
    read: (...of) => pooledFiles.read(...of),
    mark(path) {
      begun.push(path);
      resolve();
      return new Promise(() => undefined);
    },
  };
  const marks = new Marks(files, new Troubles(recordingLog().log, { now: Date.now }));
  const hold = setInterval(() => undefined, 1000);
  t.teardown(() => clearInterval(hold));
  for (const name of names) marks.add(join(directory, name), 5_500);
  await first;
  marks.close();
  const dated = names.filter((name) => statSync(join(directory, name)).mtimeMs === 5_000);
  t.equal(begun.length, 16);
  t.equal(dated.length, 24);
});

t.test("what is gathered at the end is dated then, and what cannot be is told", (t) => {
  const directory = t.testdir({ one: "" });
  const { log, lines } = recordingLog();
  const marks = new Marks(pooledFiles, new Troubles(log, { now: Date.now }));
  writeFileSync(join(directory, "one"), "1");
  marks.add(join(directory, "none"), 5_500);
  marks.add(join(directory, "one", "below"), 5_500);
  marks.add(join(directory, "one"), 5_500);
  marks.close();
  t.equal(statSync(join(directory, "one")).mtimeMs, 5_000);
  t.match(lines, [/mark a blob as used.*ENOTDIR/], "what is gone is nobody's trouble");
  t.end();
});
