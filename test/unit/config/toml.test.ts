import t from "tap";
import { loadConfig } from "../../../src/config/load.ts";
import { EntrepotError } from "../../../src/core/errors.ts";

const load = (toml: string, env: Record<string, string> = {}) =>
  loadConfig({ argv: [], env, readFile: () => "registryStorage: /yaml", readLocal: () => toml });

const problems = (toml: string): string => {
  try {
    load(toml);
  } catch (error) {
    if (error instanceof EntrepotError && error.code === "CONFIG_INVALID") return error.message;
    throw error;
  }
  return "";
};

const old = `
# as it is there
registry_storage = "/registry"
temporary_registry_storage = '/uploads'
proxy_storage = """/proxied"""
`;

t.test("configuration.toml of the working directory counts where nothing else is set", async (t) => {
  const { config, sources } = load(old);
  t.match(config, { registryStorage: "/registry", temporaryRegistryStorage: "/uploads", cacheDir: "/proxied" });
  t.match(sources.registryStorage, { value: "/registry", source: "file" });
  t.match(load(old, { REGISTRY_STORAGE: "/env", PROXY_STORAGE: "/cache" }).config, {
    registryStorage: "/env",
    cacheDir: "/cache",
  });
  t.match(load(old, { CONFIG: "e.yaml" }).config, { registryStorage: "/yaml", cacheDir: "/proxied" });
});

t.test("PROXY_STORAGE is CACHE_DIR by another name, and goes before it", async (t) => {
  const { config } = loadConfig({
    argv: [],
    env: { PROXY_STORAGE: "/proxied", CACHE_DIR: "/image" },
    readFile: () => "",
  });
  t.equal(config.cacheDir, "/proxied");
  t.equal(load("").config.cacheDir, "./cache");
});

t.test("what is wrong in it is told by key or place, and no value is repeated", async (t) => {
  t.match(
    problems('registry_storage = "/a"\nproxy_stroage = "hunter2"'),
    /^proxy_stroage \(configuration\.toml\): there is/,
  );
  t.notMatch(problems('registry_storage = "/a"\nproxy_stroage = "hunter2"'), /hunter2/);
  t.match(problems("registry_storage = 5"), /^registry_storage \(configuration\.toml\): it is no text/);
  t.equal(problems("registry_storage = hunter2 x"), "configuration.toml: line 1, column 20 is not well-formed TOML");
});

t.test("another program's file of that name is left alone", async (t) => {
  t.equal(problems("[server]\nport = 5"), "");
  t.equal(problems("no toml at all"), "");
});
