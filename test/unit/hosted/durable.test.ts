import { existsSync, readdirSync, readFileSync, renameSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import {
  bringBack,
  isOlder,
  keep,
  namesIn,
  readWhole,
  remove,
  removeUnwanted,
  writeWhole,
} from "../../../src/hosted/durable.ts";

const now = 1_700_000_000_000;

t.test("a file is written whole, over what is there, and dated", async (t) => {
  const root = t.testdir();
  const path = join(root, "deep", "down", "file");
  const drafts = join(root, "drafts");
  await writeWhole(path, "one", drafts, now);
  await writeWhole(path, "two", drafts, now);
  t.equal(readFileSync(path, "utf8"), "two");
  t.equal(Math.round(statSync(path).mtimeMs), now);
  t.same(readdirSync(drafts), []);
});

t.test("what cannot be put into its place leaves no draft", async (t) => {
  const root = t.testdir({ file: "in the way" });
  await t.rejects(writeWhole(join(root, "file", "below"), "x", join(root, "drafts"), now));
  t.same(readdirSync(join(root, "drafts")), []);
});

t.test("keep says when a file was last wanted, and whether there is one", async (t) => {
  const root = t.testdir({ file: "" });
  t.equal(await keep(join(root, "file"), now), true);
  t.equal(Math.round(statSync(join(root, "file")).mtimeMs), now);
  t.equal(await keep(join(root, "none"), now), false);
});

t.test("what nobody wants is removed; what somebody wanted meanwhile is not", async (t) => {
  const root = t.testdir({ old: "", fresh: "" });
  const old = join(root, "old");
  utimesSync(old, 1000, 1000);
  t.equal(await removeUnwanted(old, (path) => isOlder(path, now)), true);
  t.same(readdirSync(root), ["fresh"]);
  await keep(join(root, "fresh"), now);
  t.equal(await removeUnwanted(join(root, "fresh"), (path) => isOlder(path, now)), false);
  t.same(readdirSync(root), ["fresh"]);
  t.equal(await removeUnwanted(old, () => Promise.resolve(true)), false, "there is none");
});

t.test("who keeps a file while it is aside brings it back, and its remover leaves it", async (t) => {
  const root = t.testdir({ file: "content" });
  const path = join(root, "file");
  utimesSync(path, 1000, 1000);
  const gone = await removeUnwanted(path, async (aside) => {
    const old = await isOlder(aside, now);
    t.equal(await keep(path, now), true, "a push wants it at the last moment");
    return old;
  });
  t.equal(gone, false);
  t.same(readdirSync(root), ["file"]);
  t.equal(readFileSync(path, "utf8"), "content");
});

t.test("a remover that fails, or that dies, loses nothing", async (t) => {
  const root = t.testdir({ file: "content" });
  const path = join(root, "file");
  await t.rejects(
    removeUnwanted(path, () => Promise.reject(new Error("no"))),
    { message: "no" },
  );
  t.same(readdirSync(root), ["file"]);
  renameSync(path, `${path}.gone`);
  t.same(await namesIn(root), ["file"], "it is listed under its name");
  t.equal((await readWhole(path))?.toString(), "content");
  t.same(readdirSync(root), ["file"], "and is back");
});

t.test("what was put in its place meanwhile is not undone", async (t) => {
  const root = t.testdir({ file: "new", "file.gone": "old" });
  const path = join(root, "file");
  t.same(await namesIn(root), ["file"]);
  t.equal(await bringBack(path), true);
  t.equal(readFileSync(path, "utf8"), "new");
  t.same(readdirSync(root), ["file"]);
});

t.test("removing a file for good takes what is aside too", async (t) => {
  const root = t.testdir({ both: "", "both.gone": "", "aside.gone": "" });
  t.equal(await remove(join(root, "both")), true);
  t.equal(await remove(join(root, "aside")), true);
  t.equal(await remove(join(root, "none")), false);
  t.same(readdirSync(root), []);
});

t.test("a directory that is not there has no names, and a file that is not there no content", async (t) => {
  const root = t.testdir();
  t.same(await namesIn(join(root, "none")), []);
  t.equal(await readWhole(join(root, "none")), undefined);
  writeFileSync(join(root, "file"), "");
  t.ok(existsSync(join(root, "file")));
});
