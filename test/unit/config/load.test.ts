import t from "tap";
import { type ConfigInput, loadConfig } from "../../../src/config/load.ts";
import { optionTable } from "../../../src/config/schema.ts";
import { EntrepotError } from "../../../src/core/errors.ts";

const noFile = (path: string): string => {
  throw Object.assign(new Error(`no ${path}`), { code: "ENOENT" });
};

function load(input: Partial<ConfigInput> & { file?: string }): ReturnType<typeof loadConfig> {
  const { file } = input;
  const path = file === undefined ? {} : { CONFIG: "e.yaml" };
  return loadConfig({
    argv: input.argv ?? [],
    env: { ...path, ...input.env },
    readFile: file === undefined ? noFile : () => file,
  });
}

/** The problems that a start would end with. */
function problems(input: Parameters<typeof load>[0]): string[] {
  try {
    load(input);
  } catch (error) {
    if (error instanceof EntrepotError && error.code === "CONFIG_INVALID") return error.message.split("\n");
    throw error;
  }
  return [];
}

t.test("the defaults", async (t) => {
  const { config, sources } = load({});
  t.match(config, {
    config: undefined,
    port: [3128],
    tlsPort: [],
    host: ["0.0.0.0", "::"],
    allowClients: [],
    trustedProxies: [],
    denyTargets: [{ kind: "range" }, { kind: "range" }],
    authRegistries: [],
    upstreams: [],
    cacheDir: "./cache",
    caDir: "./ca",
    caCrtFile: undefined,
    cacheMaxSize: 32 * 1024 ** 3,
    cacheInactive: 60 * 86_400_000,
    enableManifestCache: false,
    manifestCachePrimaryTime: 600_000,
    manifestCacheDefaultTime: 3_600_000,
    allowPush: false,
    verifySsl: true,
    keepaliveTimeout: 300_000,
    proxyReadTimeout: 60_000,
    shutdownTimeout: 30_000,
    logLevel: "info",
    debugPort: 8081,
  });
  t.same(
    config.registries.map(({ host }) => host),
    ["registry.k8s.io", "gcr.io", "quay.io", "ghcr.io"],
  );
  t.ok(config.manifestCachePrimaryRegex.test("stable-1"));
  t.same(Object.keys(config), Object.keys(sources), "every option is there, set or not");
  t.equal(
    Object.values(sources).every(({ source }) => source === "default"),
    true,
  );
});

t.test("a flag wins over the environment, that over the file, that over the default", async (t) => {
  const file = "cacheDir: /file\ncaDir: /file\nupstreamCaFile: /file\n";
  const env = { CACHE_DIR: "/environment", CA_DIR: "/environment" };
  const { config, sources } = load({ argv: ["--cache-dir", "/flag"], env, file });
  t.match(config, { cacheDir: "/flag", caDir: "/environment", upstreamCaFile: "/file", port: [3128] });
  t.match(sources, {
    cacheDir: { value: "/flag", source: "flag" },
    caDir: { value: "/environment", source: "environment" },
    upstreamCaFile: { value: "/file", source: "file" },
    port: { value: "3128", source: "default" },
  });
});

t.test("a value that another one overrides is not read", async (t) => {
  t.equal(load({ argv: ["--cache-max-size=1g"], env: { CACHE_MAX_SIZE: "nonsense" } }).config.cacheMaxSize, 1024 ** 3);
});

t.test("a variable that is empty, or a key without a value, is unset", async (t) => {
  const env = {
    PORT: "",
    REGISTRIES: "  ",
    AUTH_REGISTRIES: "",
    CONFIG: "",
    AUTH_REGISTRY_DELIMITER: "",
    HTTPS_PROXY: "",
  };
  const { config, sources } = load({ env });
  t.same(config.port, [3128]);
  t.equal(config.registries.length, 4);
  t.equal(sources.authRegistryDelimiter.source, "default");
  t.equal(load({ file: "cacheDir:\ncaDir: ''\n" }).sources.cacheDir.source, "default");
  t.same(load({ file: "denyTargets: []\n" }).config.denyTargets, [], "but an empty list is one");
  t.same(load({ argv: ["--deny-targets", ""] }).config.denyTargets, []);
});

t.test("the way out, in upper and lower case", async (t) => {
  t.equal(load({ env: { https_proxy: "http://a:1" } }).config.httpsProxy, "http://a:1");
  t.equal(load({ env: { https_proxy: "http://a:1", HTTPS_PROXY: "http://b:2" } }).config.httpsProxy, "http://b:2");
  t.equal(load({ env: { no_proxy: ".test" } }).config.noProxy, ".test");
});

t.test("credentials of the environment, with delimiters of any source", async (t) => {
  const env = { AUTH_REGISTRIES: "gcr.io:::_json_key:::{ a: b };;;x.test:::u:::p", AUTH_REGISTRIES_DELIMITER: ";;;" };
  const { config } = load({ env, argv: ["--auth-registry-delimiter", ":::"] });
  t.match(config.authRegistries, [
    { host: "gcr.io", user: "_json_key", password: "{ a: b }" },
    { host: "x.test", user: "u", password: "p" },
  ]);
});

t.test("everything that is wrong is told at once, one line each, by the name it was set under", async (t) => {
  const found = problems({
    argv: ["--cache-max-siz", "1g", "--port", "x 80", "--debug", "--debug=no"],
    env: { CACHE_INACTIVE: "soon", VERIFY_SSL: "maybe", CA_CRT_FILE: "a.crt", MANIFEST_CACHE_PRIMARY_REGEX: "a(?R)" },
    file: "CACHE_MAX_SIZE: 1g\nnonsense: 1\nsendTimeout: [1, 2]\nconfig: x\n",
  });
  const expected = [
    /^--cache-max-siz: there is no such option; did you mean --cache-max-size\?$/,
    /^--debug: it is given more than once; it may be given once$/,
    /^CACHE_MAX_SIZE \(e\.yaml\): there is no such key; did you mean cacheMaxSize\?$/,
    /^nonsense \(e\.yaml\): there is no such key/,
    /^config \(e\.yaml\): it cannot stand in the file/,
    /^--port: "x" is not accepted; it may be one or several ports/,
    /^CACHE_INACTIVE: "soon" is not accepted; it may be seconds, or/,
    /^MANIFEST_CACHE_PRIMARY_REGEX: "a\(\?R\)" is not accepted, at character 2: /,
    /^VERIFY_SSL: "maybe" is not accepted; it may be true or false/,
    /^sendTimeout \(e\.yaml\): \[1,2\] is not accepted; it may be /,
    /^CA_CRT_FILE: it is set without CA_KEY_FILE; both may be set, or neither$/,
  ];
  for (const pattern of expected)
    t.ok(
      found.some((line) => pattern.test(line)),
      String(pattern),
    );
  t.equal(found.length, expected.length, found.join("\n"));
});

t.test("a file that cannot be used", async (t) => {
  t.match(problems({ argv: ["--config", "/nowhere.yaml"] }), [/^--config: "\/nowhere.yaml" cannot be read \(ENOENT\)/]);
  t.match(problems({ file: "- a\n" }), [/^e.yaml: it is not a map/]);
  t.match(problems({ file: "a: 1\na: 2\n" }), [/^e.yaml: line 2, column 1 is not well-formed YAML \(DUPLICATE_KEY\)$/]);
  t.same(problems({ file: "" }), []);
  t.same(problems({ file: "# nothing\n" }), []);
});

t.test("no secret is ever in a problem", async (t) => {
  const cases: Parameters<typeof load>[0][] = [
    { env: { AUTH_REGISTRIES: "hunter2 a:hunter2" } },
    { env: { HTTPS_PROXY: "hunter2" } },
    { env: { HTTP_PROXY: "http//u:hunter2@proxy" } },
    { env: { REGISTRIES: "https://u:hunter2@reg.test" } },
    { env: { AUTH_REGISTRIES: "a:u:hunter2 a:u:hunter2" } },
    { argv: ["--auth-registries", "a:u:hunter2", "b:u:hunter2", "hunter2"] },
    { argv: ["--auth-registrie", "hunter2"] },
    { argv: ["--auth-registrie=hunter2"] },
    { file: "authRegistries: hunter2\n" },
    { file: "authRegistries: [{host: a, user: b, pasword: hunter2}]\n" },
    { file: "registries: [{host: a, user: b, password: hunter2}]\n" },
    { file: "registries: {host: a, user: b, password: hunter2}\n" },
    { file: "allProxy: [hunter2]\n" },
    { file: "authRegistries: [{host: a, user: b, password: *hunter2}]\n" },
    { file: "authRegistries: [{host: a, user: b, password: 'hunter2}]\n" },
    { file: "password: hunter2\n" },
  ];
  for (const input of cases) {
    const found = problems(input);
    t.ok(found.length > 0, JSON.stringify(input));
    t.notMatch(found.join("\n"), /hunter2/);
  }
});

t.test("no secret is ever in what is shown", async (t) => {
  const url = "http://hunter2:hunter2@proxy.test:1/hunter2?hunter2";
  const { sources } = load({
    env: { AUTH_REGISTRIES: "a:u:hunter2 b:5000:v:hunter2", HTTPS_PROXY: url, HTTP_PROXY: url, ALL_PROXY: url },
  });
  t.notMatch(JSON.stringify(sources), /hunter2/);
  t.equal(sources.authRegistries.value, "a:u:*** b:5000:v:***");
  t.equal(sources.httpsProxy.value, "http://***@proxy.test:1/***");
  for (const [name, declared] of optionTable) {
    t.equal(sources[name].secret, declared.secret);
    if (declared.secret) t.type(declared.kind.show, "function", `${name} has a form without its secret`);
  }
});

t.test("a value with a line break is shown on one line", async (t) => {
  t.equal(load({ env: { REGISTRIES: "a.b\nc.d" } }).sources.registries.value, "a.b c.d");
  t.equal(load({ env: { CACHE_DIR: "/a\u001b[2J" } }).sources.cacheDir.value, String.raw`"/a\u001b[2J"`);
  t.equal(load({ env: { AUTH_REGISTRIES_DELIMITER: "  " } }).sources.authRegistriesDelimiter.value, '"  "');
});
