import { execFileSync, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import t, { type Test } from "tap";
import { systemdScript } from "../../../src/admin/systemd-script.ts";

const root = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
const checksum = createHash("sha256").update(root).digest("hex");
const script = systemdScript("http://proxy.test:3128", checksum);

/** The pipe as the users have it in their notes. */
const usersPipe = String.raw`sed s/docker\.service/containerd\.service/g | sed '/Environment/ s/$/ \"NO_PROXY=127.0.0.0\/8,10.0.0.0\/8\"/'`;

function throughSed(text: string): string {
  return execFileSync("bash", ["-c", usersPipe], { input: text, encoding: "utf8" });
}

interface Machine {
  readonly directory: string;
  readonly calls: () => string[];
  run(text: string, shell: string): { status: number | null; stderr: string };
}

/** A machine whose tools only note how they were called; the script's absolute paths are moved below a directory. */
function machine(t: Test, tools: string[], served = root): Machine {
  const directory = t.testdir({ bin: {}, "served.crt": served, calls: "" });
  const calls = join(directory, "calls");
  const put = (name: string, body: string): void => {
    writeFileSync(join(directory, "bin", name), `#!/bin/sh\n${body}\n`);
    chmodSync(join(directory, "bin", name), 0o755);
  };
  for (const tool of ["systemctl", ...tools]) put(tool, `echo "${tool} $*" >>"${calls}"`);
  put("id", "echo 0");
  const copy = `echo "fetch $*" >>"${calls}"; for last; do :; done; while [ "$1" != --output ]; do shift; done; cp "${directory}/served.crt" "$2"`;
  put("curl", copy);
  const real = "cat chmod mkdir mktemp rm sha256sum cut cp sh".split(" ");
  for (const name of real) put(name, `exec ${execFileSync("which", [name], { encoding: "utf8" }).trim()} "$@"`);
  return {
    directory,
    calls: () =>
      readFileSync(calls, "utf8")
        .split("\n")
        .filter((line) => line !== ""),
    run: (text, shell) => {
      const moved = text.replaceAll(/ ?>?(?<![\w.])\/(?=etc\/|usr\/local\/)/g, (found) =>
        found.replace("/", `${directory}/`),
      );
      const path = execFileSync("which", [shell], { encoding: "utf8" }).trim();
      const result = spawnSync(path, [], { input: moved, encoding: "utf8", env: { PATH: join(directory, "bin") } });
      return { status: result.status, stderr: result.stderr };
    },
  };
}

t.test("the word Environment stands on one line, last in it", (t) => {
  t.equal(script.split("\n").filter((line) => line.includes("Environment")).length, 1);
  t.ok(script.includes('\nEnvironment="HTTPS_PROXY=http://proxy.test:3128/"\n'));
  t.end();
});

t.test("the users' pipe makes it containerd's and adds NO_PROXY", (t) => {
  const piped = throughSed(script);
  t.notMatch(piped, /docker.service/);
  t.ok(piped.includes('\nEnvironment="HTTPS_PROXY=http://proxy.test:3128/" "NO_PROXY=127.0.0.0/8,10.0.0.0/8"\n'));
  t.ok(piped.includes("systemctl restart containerd.service\n"));
  t.ok(piped.includes("/etc/systemd/system/containerd.service.d/http-proxy.conf"));
  t.end();
});

for (const shell of ["sh", "bash"]) {
  t.test(`on Debian, under ${shell}`, (t) => {
    const { directory, calls, run } = machine(t, ["update-ca-certificates"]);
    t.match(run(throughSed(script), shell), { status: 0, stderr: "" });
    t.equal(readFileSync(join(directory, "usr/local/share/ca-certificates/entrepot.crt"), "utf8"), root);
    const dropIn = readFileSync(join(directory, "etc/systemd/system/containerd.service.d/http-proxy.conf"), "utf8");
    t.equal(dropIn, '[Service]\nEnvironment="HTTPS_PROXY=http://proxy.test:3128/" "NO_PROXY=127.0.0.0/8,10.0.0.0/8"\n');
    t.match(calls(), [
      /^fetch .* http:\/\/proxy\.test:3128\/ca\.crt$/,
      "update-ca-certificates --fresh",
      "systemctl daemon-reload",
      "systemctl restart containerd.service",
    ]);
    t.end();
  });
}

t.test("on Red Hat, and again over what is there", (t) => {
  const { directory, calls, run } = machine(t, ["update-ca-trust"]);
  for (const round of [1, 2]) t.match(run(script, "sh"), { status: 0, stderr: "" }, `round ${round}`);
  t.equal(readFileSync(join(directory, "etc/pki/ca-trust/source/anchors/entrepot.crt"), "utf8"), root);
  t.ok(existsSync(join(directory, "etc/systemd/system/docker.service.d/http-proxy.conf")));
  t.equal(calls().filter((call) => call.startsWith("update-ca-trust")).length, 2);
  t.equal(calls().at(-1), "systemctl restart docker.service");
  t.end();
});

t.test("on SUSE the tool is Debian's and the directory another", (t) => {
  const { directory, run } = machine(t, ["update-ca-certificates"]);
  mkdirSync(join(directory, "etc/pki/trust/anchors"), { recursive: true });
  t.match(run(script, "sh"), { status: 0 });
  t.ok(existsSync(join(directory, "etc/pki/trust/anchors/entrepot.crt")));
  t.end();
});

t.test("another certificate than the one it is for changes nothing", (t) => {
  const { directory, calls, run } = machine(t, ["update-ca-certificates"], "another\n");
  t.match(run(script, "sh"), { status: 1, stderr: /^setup: the certificate at .* is not the one/ });
  t.notOk(existsSync(join(directory, "etc")));
  t.equal(calls().length, 1);
  t.end();
});

t.test("a machine without a trust store's tool is told so", (t) => {
  const { directory, run } = machine(t, []);
  t.match(run(script, "sh"), { status: 1, stderr: /^setup: neither update-ca-certificates nor update-ca-trust/ });
  t.notOk(existsSync(join(directory, "etc")));
  t.end();
});

t.test("a script that arrived in part does nothing", (t) => {
  const { calls, run } = machine(t, ["update-ca-certificates"]);
  for (const length of [200, Math.floor(script.length / 2), script.length - 10]) run(script.slice(0, length), "sh");
  t.strictSame(calls(), []);
  t.end();
});

t.test(
  "shellcheck has nothing to say",
  { skip: spawnSync("shellcheck", ["-V"]).error !== undefined && "shellcheck is not installed" },
  (t) => {
    const checked = spawnSync("shellcheck", ["-s", "sh", "-"], { input: script, encoding: "utf8" });
    t.equal(checked.stdout, "");
    const secure = spawnSync("shellcheck", ["-s", "sh", "-"], {
      input: systemdScript("https://[::1]:3129", checksum),
      encoding: "utf8",
    });
    t.equal(secure.stdout, "");
    t.end();
  },
);
