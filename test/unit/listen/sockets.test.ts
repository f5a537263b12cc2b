import { createServer } from "node:net";
import t from "tap";
import { type OpenOne, openSockets, type SocketPlan } from "../../../src/listen/sockets.ts";
import { createLog } from "../../../src/observe/log.ts";

const plan: SocketPlan = {
  hosts: ["0.0.0.0", "::"],
  ports: [3128],
  tlsPorts: [],
  highWaterMark: 1024,
  accept: () => {},
};

function recordingLog() {
  const lines: Record<string, unknown>[] = [];
  const destination = { write: (line: string) => lines.push(JSON.parse(line)) };
  return { lines, log: createLog({ level: "info", format: "json", destination }) };
}

const failing =
  (failures: Record<string, string>): OpenOne =>
  async (_plan, { host, port, tls }) => {
    const code = failures[host];
    if (code !== undefined) throw Object.assign(new Error(code), { code });
    return { server: createServer(), listening: { address: host, port, tls } };
  };

t.test("a machine without IPv6 goes on with IPv4, and says so once", async (t) => {
  for (const code of ["EAFNOSUPPORT", "EADDRNOTAVAIL"]) {
    const { lines, log } = recordingLog();
    const open = await openSockets(plan, log, failing({ "::": code }));
    t.same(
      open.map(({ listening }) => listening.address),
      ["0.0.0.0"],
    );
    t.match(lines, [{ level: "warn", host: "::", msg: /IPv6/ }]);
    t.equal(lines.length, 1);
  }
});

t.test("but not where there is nothing else to listen on", async (t) => {
  const { log } = recordingLog();
  const open = openSockets({ ...plan, hosts: ["::"] }, log, failing({ "::": "EAFNOSUPPORT" }));
  await t.rejects(open, { code: "CONFIG_INVALID", message: /^HOST: :: / });
  await t.rejects(openSockets({ ...plan, hosts: [] }, log), { code: "CONFIG_INVALID" });
});

t.test("every other failure stops the start, with the option's name", async (t) => {
  const { log } = recordingLog();
  for (const [code, message] of [
    ["EADDRINUSE", /^PORT: 3128 on :: is taken/],
    ["EACCES", /^PORT: 3128 on :: needs privileges/],
    ["EIO", /^HOST or PORT: .*EIO/],
  ] as const) {
    await t.rejects(openSockets(plan, log, failing({ "::": code })), { code: "CONFIG_INVALID", message }, code);
  }
  await t.rejects(openSockets(plan, log, failing({ "0.0.0.0": "EADDRNOTAVAIL" })), { message: /^HOST: 0\.0\.0\.0 / });
});
