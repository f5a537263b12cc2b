import { existsSync, globSync, readdirSync, readFileSync } from "node:fs";
import { basename, join, posix, resolve } from "node:path";
import t from "tap";

const root = resolve(import.meta.dirname, "..");
const ranks: Readonly<Record<string, number>> = {
  core: 0,
  config: 1,
  observe: 1,
  ca: 2,
  policy: 2,
  auth: 2,
  cache: 2,
  upstream: 2,
  serve: 3,
  hosted: 4,
  listen: 4,
  admin: 4,
  front: 4,
  workers: 4,
  compose: 5,
  cli: 6,
  "main.ts": 7,
};
const longestFile = 400;
const doingIo = /^node:(?:fs|net|https?|http2|tls|dns|dgram|child_process)(?:\/|$)/;
/** What of node:net computes on addresses and opens nothing. */
const pureOfNet = new Set(["BlockList", "isIP", "isIPv4", "isIPv6"]);

interface Import {
  readonly specifier: string;
  readonly names: readonly string[];
}

/** The imports and re-exports of a module, types and dynamic ones included. A text that only looks like one counts too. */
function importsOf(source: string): Import[] {
  const code = source.replaceAll(/\/\*[\s\S]*?\*\//g, "").replaceAll(/^\s*\/\/.*$/gm, "");
  const statements = [
    ...code.matchAll(/^\s*(?:import|export)\s+(?:type\s+)?([\w*{}\s,$]+?)\s+from\s+["']([^"']+)["']/gm),
    ...code.matchAll(/^\s*(import)\s+["']([^"']+)["']/gm),
    ...code.matchAll(/\b(import)\(\s*["']([^"']+)["']\s*\)/g),
  ];
  return statements.map(([, clause = "", specifier = ""]) => ({
    specifier,
    names: clause
      .replaceAll(/[{}]/g, "")
      .split(",")
      .map((name) =>
        name
          .trim()
          .replace(/^type\s+/, "")
          .replace(/\s+as\s.*$/, ""),
      )
      .filter((name) => name !== ""),
  }));
}

const sources = globSync("src/**/*.ts", { cwd: root }).toSorted();
const modules = new Map(sources.map((file) => [file, importsOf(readFileSync(join(root, file), "utf8"))]));

/** Where a relative import of a file leads, from the root; undefined for packages and node's own modules. */
function target(file: string, specifier: string): string | undefined {
  return specifier.startsWith(".") ? posix.join(posix.dirname(file), specifier) : undefined;
}

/** The room of a source file, or its own name for the two files that stand in none. */
function roomOf(file: string): string {
  return file.split("/")[1] ?? file;
}

t.test("the reader of imports sees every form", (t) => {
  const source = [
    'import { a, type B } from "./a.ts";',
    'import type { C } from "./c.ts";',
    "import {\n  d,\n  e as f,\n} from './d.ts';",
    'import g, * as h from "node:fs";',
    'import "./side.ts";',
    'export { i } from "./i.ts";',
    'export * from "./j.ts";',
    'const k = await import("./k.ts");',
    '// import { no } from "./comment.ts";',
    '/* import "./block.ts"; */',
  ].join("\n");
  t.strictSame(
    importsOf(source).map(({ specifier }) => specifier),
    ["./a.ts", "./c.ts", "./d.ts", "node:fs", "./i.ts", "./j.ts", "./side.ts", "./k.ts"],
  );
  t.strictSame(importsOf(source)[2]?.names, ["d", "e"]);
  t.end();
});

t.test("every source file stands in a room of the house", (t) => {
  t.not(sources.length, 0);
  t.strictSame(
    sources.filter((file) => ranks[roomOf(file)] === undefined),
    [],
  );
  t.end();
});

t.test("a file imports only from lower ranks, and rooms of one rank not each other", (t) => {
  const wrong: string[] = [];
  for (const [file, imports] of modules) {
    for (const { specifier } of imports) {
      const to = target(file, specifier);
      if (to === undefined || roomOf(to) === roomOf(file)) continue;
      const lower = (ranks[roomOf(to)] ?? Infinity) < (ranks[roomOf(file)] ?? -1);
      if (!lower) wrong.push(`${file} imports ${to}`);
    }
  }
  t.strictSame(wrong, []);
  t.end();
});

t.test("every relative import names a file that is there, with its ending", (t) => {
  const wrong: string[] = [];
  for (const [file, imports] of modules) {
    for (const { specifier } of imports) {
      const to = target(file, specifier);
      if (to !== undefined && !modules.has(to) && !(to.endsWith(".json") && existsSync(join(root, to)))) {
        wrong.push(`${file} imports ${specifier}`);
      }
    }
  }
  t.strictSame(wrong, []);
  t.end();
});

t.test("cache does not import upstream", (t) => {
  const wrong = [...modules].filter(
    ([file, imports]) =>
      roomOf(file) === "cache" && imports.some(({ specifier }) => target(file, specifier)?.startsWith("src/upstream/")),
  );
  t.strictSame(
    wrong.map(([file]) => file),
    [],
  );
  t.end();
});

t.test("policy and core do no I/O", (t) => {
  const wrong: string[] = [];
  for (const [file, imports] of modules) {
    if (roomOf(file) !== "core" && roomOf(file) !== "policy") continue;
    for (const { specifier, names } of imports) {
      if (!doingIo.test(specifier)) continue;
      if (specifier === "node:net" && names.length > 0 && names.every((name) => pureOfNet.has(name))) continue;
      wrong.push(`${file} imports ${specifier}`);
    }
  }
  t.strictSame(wrong, []);
  t.end();
});

t.test("only src/ca/x509.ts imports node-forge", (t) => {
  const users = [...modules].filter(([, imports]) =>
    imports.some(({ specifier }) => /^node-forge(?:\/|$)/.test(specifier)),
  );
  t.strictSame(
    users.map(([file]) => file).filter((file) => file !== "src/ca/x509.ts" && !file.endsWith(".d.ts")),
    [],
  );
  t.end();
});

t.test("every source file is reached from src/main.ts", (t) => {
  const reached = new Set<string>();
  const open = ["src/main.ts"];
  for (let file = open.pop(); file !== undefined; file = open.pop()) {
    if (reached.has(file)) continue;
    reached.add(file);
    for (const { specifier } of modules.get(file) ?? []) {
      const to = target(file, specifier);
      if (to !== undefined) open.push(to);
    }
  }
  t.strictSame(
    sources.filter((file) => !reached.has(file) && !file.endsWith(".d.ts")),
    [],
  );
  t.end();
});

t.test("no file is longer than it may be, and none has a name that says nothing", (t) => {
  const files = globSync(["src/**/*.ts", "test/**/*.ts", "scripts/**/*.ts"], { cwd: root });
  const lines = (file: string): number => readFileSync(join(root, file), "utf8").trimEnd().split("\n").length;
  t.strictSame(
    files.filter((file) => lines(file) > longestFile),
    [],
  );
  const lengths = sources.map(lines).toSorted((a, b) => a - b);
  t.ok((lengths[Math.floor(lengths.length / 2)] ?? 0) <= 120, "the median source file has at most 120 lines");
  const nameless = /^(?:utils?|helpers?|common|misc|index|shared|lib)(?:\.test)?(?:\.ts)?$/;
  t.strictSame(
    files.filter((file) => file.split("/").some((part) => nameless.test(part)) || nameless.test(basename(file))),
    [],
  );
  t.end();
});

t.test("the top of the repository holds what it should and no more", (t) => {
  const allowed = new Set(
    [
      "src ca cache scripts test docs deploy bench node_modules dist",
      "Dockerfile docker-compose.yml package.json package-lock.json tsconfig.json tsconfig.build.json",
      "README.md ARCHITECTURE.md CONTRIBUTING.md Docker-for-Mac.md CHANGELOG.md LICENSE",
    ].flatMap((names) => names.split(" ")),
  );
  t.strictSame(
    readdirSync(root).filter((name) => !name.startsWith(".") && !allowed.has(name)),
    [],
  );
  t.end();
});

t.test("the lock file names no registry", (t) => {
  t.notMatch(readFileSync(join(root, "package-lock.json"), "utf8"), /"resolved"/);
  t.end();
});
