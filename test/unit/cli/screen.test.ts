import t from "tap";
import { startScreen } from "../../../src/cli/screen.ts";
import { loadConfig } from "../../../src/config/load.ts";

function screen(env: Readonly<Record<string, string>>, workers = 1): string {
  const loaded = loadConfig({ argv: [], env, readFile: () => "" });
  const listening = [{ address: "127.0.0.1", port: 3128, tls: false }];
  const authority = { fingerprint: "AA:BB", certificateFile: "ca.crt", created: true };
  return startScreen({ version: "1.2.3", loaded, listening, authority, workers });
}

t.test("the screen of a start says how many processes there are", async (t) => {
  t.match(screen({}), /^ {2}workers +1, all in one process$/m);
  t.match(screen({}, 4), /^ {2}workers +4 processes, and the one that keeps them$/m);
});

t.test("the screen of a start says who is served what is cached", async (t) => {
  t.match(screen({}), /^ {2}access +what is cached goes to those whom its registry would serve$/m);
  t.match(
    screen({ CACHE_ACCESS: "shared" }),
    /^ {2}access +every client is served what is cached, private images included \(CACHE_ACCESS=shared\)$/m,
  );
});

t.test("and what becomes of pushes, and no password", async (t) => {
  t.match(screen({}), /^ {2}pushes +refused \(ALLOW_PUSH=true passes them on\)$/m);
  t.match(screen({ ALLOW_PUSH: "true" }), /^ {2}pushes +passed on$/m);
  t.match(screen({ ALLOW_PUSH: "true", CACHE_ON_PUSH: "true" }), /^ {2}pushes +passed on, and kept$/m);
  t.notMatch(screen({ AUTH_REGISTRIES: "a.test:u:hunter2" }), /hunter2/);
});

t.test("and what each front maps to", async (t) => {
  t.match(screen({}), /^ {2}fronts +mirror, at any host: mirror of registry-1\.docker\.io, /m);
  const accounts = Buffer.from("alice:hunter2").toString("base64");
  const shown = screen({ REGISTRY_STORAGE: "/registry", ACCOUNTS: accounts, UPSTREAM_REGISTRY: "quay.io" });
  t.match(shown, /mirror of quay\.io.*\n {14}registry, at any host: .*; registry in \/registry; for its accounts$/m);
  t.notMatch(shown, accounts);
  t.match(screen({ MIRROR: "false" }), /^ {2}fronts +none$/m);
});
