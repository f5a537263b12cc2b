import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { chmod, mkdir, readdir, rm } from "node:fs/promises";
import { connect, createServer, type Server } from "node:net";
import { join } from "node:path";
import { errnoOf } from "./trouble.ts";

/**
 * Says that a process lives to whoever shares its directory, in another container too, where its number means nothing: a socket that nobody
 * answers on any more once the process is gone, however it went.
 */
export interface Beacon {
  /** Of the socket, in the directory. */
  readonly name: string;
  /** false where somebody wiped the directory. */
  readonly isThere: boolean;
  /** Synchronous. Never throws. */
  close(): void;
}

const grammar = /^entrepot-[0-9a-f]{12}\.sock$/;
/** Of a socket's path, unix(7). */
const longestPath = 100;

/** Undefined where the directory takes no socket, or its path is too long for one. */
export async function raiseBeacon(directory: string): Promise<Beacon | undefined> {
  const name = `entrepot-${randomBytes(6).toString("hex")}.sock`;
  const path = join(directory, name);
  if (Buffer.byteLength(path) > longestPath) return undefined;
  const server = createServer((socket) => socket.destroy());
  try {
    await mkdir(directory, { recursive: true });
    await listen(server, path);
    // Another user's process is to see it too.
    await chmod(path, 0o666);
  } catch {
    server.close();
    return undefined;
  }
  server.unref();
  // A connection that cannot be accepted is one that was heard.
  server.on("error", () => undefined);
  return {
    name,
    get isThere() {
      return existsSync(path);
    },
    close() {
      // It takes its file away by itself, and at once.
      server.close();
    },
  };
}

async function listen(server: Server, path: string): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once("error", reject);
  server.listen(path, resolve);
  await promise;
}

/** Whether the process that raised it lives. */
export async function isLit(directory: string, name: string): Promise<boolean> {
  if (!grammar.test(name)) return false;
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const socket = connect(join(directory, name));
  socket.once("connect", () => resolve(true));
  // EAGAIN: so many ask that the next one has to wait. EACCES: it cannot be asked.
  socket.once("error", (error) => resolve(["EAGAIN", "EACCES", "EPERM"].includes(errnoOf(error) ?? "")));
  try {
    return await promise;
  } finally {
    socket.destroy();
  }
}

/** Removes those of processes that are gone. Never rejects. */
export async function clearBeacons(directory: string): Promise<void> {
  for (const name of await readdir(directory).catch(() => [])) {
    if (grammar.test(name) && !(await isLit(directory, name)))
      await rm(join(directory, name), { force: true }).catch(() => undefined);
  }
}
