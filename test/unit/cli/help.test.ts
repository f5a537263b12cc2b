import t from "tap";
import { help } from "../../../src/cli/help.ts";
import { wrap } from "../../../src/cli/wrap.ts";
import { flagOf, groups } from "../../../src/config/option.ts";
import { optionTable } from "../../../src/config/schema.ts";
import { Recorder } from "./recorder.ts";

t.test("help lists every option in its group, with its default, in 100 columns", async (t) => {
  const out = new Recorder();
  t.equal(help(out), 0);
  const lines = out.text.split("\n");
  t.same(
    lines.filter((line) => line.length > 100 || line.endsWith(" ")),
    [],
  );
  for (const group of groups) t.ok(lines.includes(group), group);
  for (const [name, declared] of optionTable) {
    if (declared.from !== "file") t.match(out.text, `  ${flagOf(name)}`, name);
  }
  const text = out.text.replaceAll(/\s+/g, " ");
  t.match(text, "--cache-max-size SIZE, CACHE_MAX_SIZE Over this size the least recently used blobs go. Default: 32g.");
  t.match(text, "--debug[=BOOLEAN], DEBUG ");
  t.match(text, "upstreams (in the file only)");
  t.match(text, 'Default: " ".');
  t.match(text, "Default: ca.crt in CA_DIR.");
});

t.test("wrapping", async (t) => {
  t.equal(wrap("aa bb cc", "", 5), "aa bb\ncc");
  t.equal(wrap("aa bb cc", "  ", 7), "  aa bb\n  cc");
  t.equal(wrap("a longword b", " ", 5), " a\n longword\n b");
});
