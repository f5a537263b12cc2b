import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { createServer as createHttpServer, type RequestListener, type Server } from "node:http";
import { createServer as createHttpsServer } from "node:https";
import { type AddressInfo, type Server as NetServer, type Socket, createServer as createNetServer } from "node:net";
import { join } from "node:path";
import type { Test } from "tap";
import type { DialerOptions } from "../../../src/upstream/dialer.ts";
import type { Resolve } from "../../../src/upstream/tcp.ts";

/** Servers on loopback that end with the test, and certificates that openssl makes, so that nothing of ours judges itself. */

export interface Pair {
  readonly cert: string;
  readonly key: string;
}

export interface TestAuthority {
  readonly root: string;
  issue(...names: string[]): Pair;
}

function openssl(args: string[]): void {
  execFileSync("openssl", args, { stdio: "pipe" });
}

const newKey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];

export function createAuthority(directory: string): TestAuthority {
  const at = (name: string) => join(directory, name);
  openssl(
    ["req", "-x509", ...newKey, "-keyout", at("ca.key"), "-out", at("ca.pem"), "-days", "2"].concat([
      "-subj",
      "/CN=test root",
      "-addext",
      "basicConstraints=critical,CA:TRUE",
    ]),
  );
  let issued = 0;
  return {
    root: readFileSync(at("ca.pem"), "utf8"),
    issue(...names) {
      const file = (ending: string) => at(`leaf${issued}.${ending}`);
      issued++;
      const alternatives = names.map((name) => (/^[\d.]+$/.test(name) ? `IP:${name}` : `DNS:${name}`)).join(",");
      writeFileSync(file("ext"), `subjectAltName=${alternatives}\n`);
      openssl(["req", ...newKey, "-keyout", file("key"), "-out", file("csr"), "-subj", "/CN=leaf"]);
      openssl(
        ["x509", "-req", "-in", file("csr"), "-CA", at("ca.pem"), "-CAkey", at("ca.key"), "-days", "1"].concat([
          "-extfile",
          file("ext"),
          "-out",
          file("pem"),
        ]),
      );
      return { cert: readFileSync(file("pem"), "utf8"), key: readFileSync(file("key"), "utf8") };
    },
  };
}

export interface Running {
  readonly port: number;
  /** Connections accepted so far. */
  readonly accepted: () => number;
  /** Those that are open. */
  readonly open: Set<Socket>;
  /** Resolves when none is open any more. */
  readonly quiet: () => Promise<void>;
}

/** Listens on loopback; closed with all its connections when the test ends. */
export async function serve(t: Test, server: NetServer | Server): Promise<Running> {
  const open = new Set<Socket>();
  const waiting: (() => void)[] = [];
  let accepted = 0;
  // What a test sees closed, the client has closed.
  if ("keepAliveTimeout" in server) server.keepAliveTimeout = 0;
  server.on("connection", (socket: Socket) => {
    accepted++;
    open.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => {
      open.delete(socket);
      if (open.size === 0) for (const resolve of waiting.splice(0)) resolve();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.teardown(async () => {
    for (const socket of open) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });
  return {
    port: (server.address() as AddressInfo).port,
    accepted: () => accepted,
    open,
    quiet: () => (open.size === 0 ? Promise.resolve() : new Promise((resolve) => waiting.push(resolve))),
  };
}

export function serveHttp(t: Test, listener: RequestListener): Promise<Running> {
  return serve(t, createHttpServer(listener));
}

export function serveHttps(t: Test, pair: Pair, listener: RequestListener): Promise<Running> {
  return serve(t, createHttpsServer(pair, listener));
}

/** A server of bytes: for every answer that node's own would not give. */
export function serveBytes(t: Test, onConnection: (socket: Socket) => void, allowHalfOpen = false): Promise<Running> {
  return serve(t, createNetServer({ allowHalfOpen }, onConnection));
}

/** Ends its half first, and then echoes all it hears to the promise. */
export async function serveEnder(t: Test): Promise<Running & { readonly heard: Promise<string> }> {
  const heard = Promise.withResolvers<string>();
  const running = await serveBytes(
    t,
    (socket) => {
      let all = "";
      socket.on("data", (piece: Buffer) => (all += piece.toString()));
      socket.on("close", () => heard.resolve(all));
      socket.end("goodbye");
    },
    true,
  );
  return { ...running, heard: heard.promise };
}

/** Every name is on this machine. */
export const loopback: Resolve = (_host, _options, done) => {
  process.nextTick(done, null, [{ address: "127.0.0.1", family: 4 }]);
};

export function dialerOptions(more: Partial<DialerOptions> = {}): DialerOptions {
  return { connectMs: 5000, tunnelConnectMs: 5000, resolve: loopback, ...more };
}
