import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { configurationPage, withReadmeTable } from "./document.ts";

/** Writes what the schema says of itself: docs/configuration.md, and the table in README.md if that has the markers. */
const page = new URL("../docs/configuration.md", import.meta.url);
const readme = new URL("../README.md", import.meta.url);

writeFileSync(page, configurationPage());
if (existsSync(readme)) writeFileSync(readme, withReadmeTable(readFileSync(readme, "utf8")));
