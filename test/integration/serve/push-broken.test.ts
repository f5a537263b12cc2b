import { readdirSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import type { Fault } from "../../fixtures/faults.ts";
import { gate } from "../../fixtures/gate.ts";
import { uniqueBytes } from "../../fixtures/registry.ts";
import { finalLines, hub, lineOf, stage, until } from "../stage.ts";
import { allowed, begin, raw, uploads } from "./upload.ts";

t.test("a layer that is refused is not waited for", async (t) => {
  const { registry, proxy } = await stage(t);
  const socket = await raw(proxy);
  socket.write(`PUT ${uploads}1?digest=x HTTP/1.1\r\nHost: ${hub}\r\nContent-Length: 1000000000\r\n\r\n`);
  socket.write(uniqueBytes(500_000));
  t.match(await socket.until("\r\n\r\n"), /^HTTP\/1\.1 405 /);
  t.equal(registry.count(), 0);
  socket.destroy();
});

t.test("a buffered upload whose client goes away midway never reaches its registry", async (t) => {
  const { registry, proxy, client } = await stage(t, { env: { ALLOW_PUSH: "true", PROXY_REQUEST_BUFFERING: "true" } });
  const path = await begin(client);
  const spools = (): string[] => readdirSync(join(proxy.directory, "cache", "tmp"));
  const socket = await raw(proxy);
  socket.write(`PATCH ${path} HTTP/1.1\r\nHost: ${hub}\r\nContent-Length: 3000000\r\n\r\n`);
  socket.write(uniqueBytes(1_000_000));
  await until(() => spools().length === 1);
  socket.destroy();
  t.match(await lineOf(proxy, ({ method }) => method === "PATCH"), { error: /CANCELLED|BAD_REQUEST/ });
  await until(() => spools().length === 0);
  t.equal(registry.count({ method: "PATCH" }), 0);
  t.equal((await finalLines(proxy)).filter(({ method }) => method === "PATCH").length, 1, "logged once");
});

t.test("a client that goes away midway takes its upload with it", async (t) => {
  const { registry, proxy, client } = await stage(t, allowed);
  const path = await begin(client);
  const socket = await raw(proxy);
  socket.write(`PATCH ${path} HTTP/1.1\r\nHost: ${hub}\r\nContent-Length: 3000000\r\n\r\n`);
  socket.write(uniqueBytes(1_000_000));
  const seen = await registry.seen({ method: "PATCH" });
  socket.destroy();
  t.equal(await registry.ended(seen), "cut", "the registry does not take what it has for the whole");
  t.match(await lineOf(proxy, ({ method }) => method === "PATCH"), { error: /CANCELLED|BAD_REQUEST/ });
  t.equal((await client.request("/v2/")).status, 200);
});

t.test("a client that stands still midway is given up, and its upload with it", async (t) => {
  const { registry, proxy, client } = await stage(t, { env: { ALLOW_PUSH: "true", CLIENT_BODY_TIMEOUT: "300ms" } });
  const path = await begin(client);
  const socket = await raw(proxy);
  socket.write(`PATCH ${path} HTTP/1.1\r\nHost: ${hub}\r\nContent-Length: 3000000\r\n\r\n`);
  socket.write(uniqueBytes(1_000_000));
  const seen = await registry.seen({ method: "PATCH" });
  t.match(await socket.until("\r\n\r\n"), /^HTTP\/1\.1 408 /);
  t.equal(await registry.ended(seen), "cut");
  t.match(await lineOf(proxy, ({ method }) => method === "PATCH"), { status: 408, error: "REQUEST_TIMEOUT" });
  socket.destroy();
});

t.test("a registry that goes away midway, or takes nothing, is said to", async (t) => {
  const { registry, proxy, client } = await stage(t, { env: { ALLOW_PUSH: "true", PROXY_SEND_TIMEOUT: "400ms" } });
  const path = await begin(client);
  const never = gate();
  t.teardown(() => never.open());
  const cases: [fault: Fault, status: number, code: string][] = [
    [{ closeMidHeader: true }, 502, "UPSTREAM_PROTOCOL"],
    [{ holdUntil: never }, 504, "UPSTREAM_TIMEOUT"],
  ];
  for (const [fault, status, code] of cases) {
    const end = registry.fault({ method: "PATCH" }, fault);
    const socket = await raw(proxy);
    socket.write(`PATCH ${path} HTTP/1.1\r\nHost: ${hub}\r\nContent-Length: 90000000\r\n\r\n`);
    socket.write(Buffer.alloc(30_000_000));
    t.match(await socket.until("\r\n\r\n"), new RegExp(`^HTTP/1\\.1 ${status} `));
    t.match(await socket.until("]}"), code);
    await socket.rest();
    end();
  }
  const lines = (await finalLines(proxy)).filter(({ method }) => method === "PATCH");
  t.match(lines, [
    { status: 502, error: "UPSTREAM_PROTOCOL" },
    { status: 504, error: "UPSTREAM_TIMEOUT" },
  ]);
  t.equal(lines.length, 2);
});

t.test("a refusal in the middle of an upload is told at once, as the registry words it", async (t) => {
  const { registry, proxy, client } = await stage(t, allowed);
  for (const status of [401, 403, 413]) {
    for (const connection of [undefined, "close"]) {
      const path = await begin(client);
      const headers = { "www-authenticate": 'Bearer realm="https://auth.test/token"', connection };
      const body = '{"errors":[{"code":"DENIED","message":"not this one"}]}';
      const end = registry.fault({ method: "PATCH" }, { status, headers, body });
      const socket = await raw(proxy);
      const name = `${status}, connection ${connection ?? "kept"}`;
      socket.write(`PATCH ${path} HTTP/1.1\r\nHost: ${hub}\r\nContent-Length: 900000000\r\n\r\n`);
      socket.write(uniqueBytes(600_000));
      const head = await socket.until("\r\n\r\n");
      t.match(head, new RegExp(`^HTTP/1\\.1 ${status} `), name);
      t.match(head, /www-authenticate: Bearer realm="https:\/\/auth\.test\/token"/i);
      t.match(head, /^connection: close\r$/im, "the rest need not be sent");
      t.match(await socket.until("not this one"), /DENIED/);
      await socket.rest();
      t.pass("and the connection ends, for nobody reads the rest");
      socket.destroy();
      end();
    }
  }
  const lines = (await finalLines(proxy)).filter(({ method }) => method === "PATCH");
  t.same(
    lines.map(({ status }) => status),
    [401, 401, 403, 403, 413, 413],
    "each logged once",
  );
});
