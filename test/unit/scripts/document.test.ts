import { existsSync, readFileSync } from "node:fs";
import t from "tap";
import { configurationPage, readmeMarkers, readmeTable, withReadmeTable } from "../../../scripts/document.ts";
import { loadConfig } from "../../../src/config/load.ts";
import { flagOf, variableOf } from "../../../src/config/option.ts";
import { optionTable } from "../../../src/config/schema.ts";

const root = new URL("../../../", import.meta.url);

t.test("docs/configuration.md is what the schema says", async (t) => {
  const page = readFileSync(new URL("docs/configuration.md", root), "utf8");
  t.equal(page, configurationPage(), "make it anew with: node scripts/docs.ts");
});

t.test("the table in README.md is what the schema says", async (t) => {
  const readme = new URL("README.md", root);
  const text = existsSync(readme) ? readFileSync(readme, "utf8") : "";
  t.equal(text, withReadmeTable(text), "make it anew with: node scripts/docs.ts");
});

t.test("a README gets the table between its markers", async (t) => {
  const { begin, end } = readmeMarkers;
  const made = withReadmeTable(`a\n${begin}\nold\n${end}\nb\n`);
  t.equal(made, `a\n${begin}\n\n${readmeTable()}\n${end}\nb\n`);
  t.equal(withReadmeTable(made), made);
  t.equal(withReadmeTable("a\n"), "a\n");
  t.match(made, String.raw`(stable\|nightly\|production\|test)`, "a bar does not end a cell");
});

t.test("the page has every option, by all its names", async (t) => {
  const page = configurationPage();
  for (const [name, declared] of optionTable) {
    if (declared.from !== "file") t.match(page, `\`${variableOf(name)}\``, name);
    if (declared.from !== "file") t.match(page, `\`${flagOf(name)}`, name);
    if (declared.from !== "caller") t.match(page, `\`${name}\` in the file`, name);
    t.match(page, declared.help, name);
  }
});

t.test("the page's example of a file is one", async (t) => {
  const file = /```yaml\n([^]*?)```/.exec(configurationPage())?.[1] ?? "";
  const { config } = loadConfig({ argv: ["--config", "x"], env: {}, readFile: () => file });
  t.equal(config.cacheMaxSize, 200 * 1024 ** 3);
  t.equal(config.authRegistries.length, 1);
  t.equal(config.upstreams.length, 2);
});
