import type { Socket } from "node:net";
import { asEntrepotError, EntrepotError } from "../core/errors.ts";
import { giveBack } from "../core/give-back.ts";
import type { Trace } from "../observe/trace.ts";
import { connectName, established } from "./connect.ts";
import type { Connection } from "./connection.ts";
import { Inlet } from "./inlet.ts";
import { ignore } from "./refuse.ts";
import { progressOf, Silence } from "./silence.ts";
import type { ListenerOptions, ListenerParts } from "./types.ts";

export interface TunnelNeeds {
  readonly limits: ListenerOptions["tunnel"];
  readonly parts: Pick<ListenerParts, "connect" | "record">;
  /** Whether the listener is ending what still runs. */
  isStopping(): boolean;
}

/**
 * Dials the target, answers the CONNECT and copies both ways until both sides have ended. Rejects, with nothing written, where the
 * target cannot be reached; resolves once the tunnel is open.
 */
export async function tunnel(
  connection: Connection,
  target: { host: string; port: number },
  head: Buffer,
  needs: TunnelNeeds,
): Promise<void> {
  const client = connection.socket;
  const started = performance.now();
  connection.tunnelling = true;
  try {
    const inlet = new Inlet();
    const upstream = await dial(client, target, needs, inlet);
    // The 200 makes the socket the target's: nothing may fail between it and the copying.
    client.write(established, "latin1");
    const trace: Trace = {
      door: "tunnel",
      kind: "tunnel",
      client: connection.client,
      method: "CONNECT",
      origin: connectName(target),
      status: 200,
      firstByte: performance.now() - started,
      upstream: `${upstream.remoteAddress ?? ""}:${upstream.remotePort ?? ""}`,
    };
    upstream.once("close", () => client.destroyed && end());
    client.once("close", () => upstream.destroyed && end());
    const end = (): void => {
      if (trace.lastByte !== undefined) return;
      trace.lastByte = performance.now() - started;
      if (trace.error === undefined && needs.isStopping()) {
        trace.error = "STOPPING";
        trace.problem = "The proxy stopped while the tunnel was open.";
      }
      needs.parts.record(trace);
    };
    join({ client, upstream, inlet, head }, trace, needs.limits);
  } catch (thrown) {
    connection.tunnelling = false;
    throw thrown;
  }
}

async function dial(
  client: Socket,
  target: { host: string; port: number },
  needs: TunnelNeeds,
  { onread }: Inlet,
): Promise<Socket> {
  const gone = new AbortController();
  const leave = (): void => gone.abort();
  client.once("close", leave);
  const limit = AbortSignal.timeout(needs.limits.connect);
  try {
    const signal = AbortSignal.any([gone.signal, limit]);
    const upstream = await needs.parts.connect(target.host, target.port, signal, onread);
    upstream.on("error", ignore);
    if (upstream.destroyed) {
      throw new EntrepotError("UPSTREAM_UNREACHABLE", `${connectName(target)} closed the connection at once.`);
    }
    if (client.destroyed) {
      upstream.destroy();
      throw new EntrepotError("CANCELLED", "The client went away before its tunnel was open.");
    }
    return upstream;
  } catch (thrown) {
    if (gone.signal.aborted) throw new EntrepotError("CANCELLED", "The client went away before its tunnel was open.");
    if (limit.aborted) {
      throw new EntrepotError(
        "UPSTREAM_TIMEOUT",
        `${connectName(target)} did not answer within ${needs.limits.connect} ms.`,
      );
    }
    throw asEntrepotError(thrown);
  } finally {
    client.removeListener("close", leave);
  }
}

interface Ends {
  readonly client: Socket;
  readonly upstream: Socket;
  /** Where the target's bytes come, unless the way to it was such that they are the socket's `data`. */
  readonly inlet: Inlet;
  /** What the client sent with its CONNECT. */
  readonly head: Buffer;
}

function join({ client, upstream, inlet, head }: Ends, trace: Trace, limits: ListenerOptions["tunnel"]): void {
  upstream.setNoDelay(true);
  trace.bytes = 0;
  trace.received = head.length;
  if (head.length > 0) upstream.write(head);
  copy(client, upstream, (length) => (trace.received = (trace.received ?? 0) + length));
  const count = (length: number) => (trace.bytes = (trace.bytes ?? 0) + length);
  copyThrough(inlet, upstream, client, count);
  copy(upstream, client, count);
  const fail = (code: string, problem: string): void => {
    trace.error ??= code;
    trace.problem ??= problem;
    client.destroy();
    upstream.destroy();
  };
  upstream.on("error", (error: NodeJS.ErrnoException) =>
    fail("UPSTREAM_UNREACHABLE", `The target's side of the tunnel broke (${error.code ?? error.name}).`),
  );
  client.on("error", (error: NodeJS.ErrnoException) =>
    fail("CANCELLED", `The client's side of the tunnel broke (${error.code ?? error.name}).`),
  );
  watchIdle(client, upstream, limits, fail);
}

/** By hand rather than by pipe(): the same cost, and a half-closed side and the byte counts are seen here. */
function copy(from: Socket, to: Socket, count: (length: number) => void): void {
  // Half-close: the end of one direction is passed on, the other goes on (RFC 9110 §9.3.6 leaves it to the two ends).
  from.allowHalfOpen = true;
  /** Written, and perhaps not the kernel's yet. */
  let written: Buffer[] = [];
  const settle = (): void => {
    if (to.writableLength > 0) return;
    for (const chunk of written) giveBack(chunk);
    written = [];
  };
  from.on("data", (chunk: Buffer) => {
    count(chunk.length);
    written.push(chunk);
    const goesOn = to.write(chunk);
    settle();
    if (!goesOn) from.pause();
  });
  to.on("drain", () => {
    settle();
    from.resume();
  });
  from.once("end", () => to.end());
  // Destroyed without an end or an error: there is nobody left to write to.
  from.once("close", () => (from.readableEnded ? to.end() : to.destroy()));
}

/** The same for what comes in one buffer, which is free again once the kernel has all of it: until then nothing is read. */
function copyThrough(inlet: Inlet, from: Socket, to: Socket, count: (length: number) => void): void {
  let waits = false;
  const written = (): void => {
    if (!waits || to.writableLength > 0) return;
    waits = false;
    from.resume();
  };
  const goesOn = inlet.open((bytes) => {
    count(bytes.length);
    to.write(bytes, written);
    waits = to.writableLength > 0;
    if (waits) from.pause();
    return !waits;
  });
  // What came early had stopped the reading.
  if (goesOn) from.resume();
}

function watchIdle(
  client: Socket,
  upstream: Socket,
  limits: ListenerOptions["tunnel"],
  fail: (code: string, problem: string) => void,
): void {
  const interval = Math.min(limits.read, limits.send);
  const silence = new Silence();
  // Every byte of either direction passes the target's socket, so its timer is enough; but while some wait for a slow client
  // it stands still, and proves nothing.
  const expire = (): void => {
    const proven = client.writableLength > 0 ? 0 : interval;
    const silent = silence.add(interval, progressOf(client) + progressOf(upstream), proven);
    const waiting = client.writableLength > 0 || upstream.writableLength > 0;
    const limit = waiting ? limits.send : limits.read;
    if (silent >= limit) {
      const code = client.writableLength > 0 ? "CANCELLED" : "UPSTREAM_TIMEOUT";
      fail(code, `No byte went through the tunnel for ${silent} ms.`);
    } else upstream.setTimeout(interval);
  };
  upstream.on("timeout", expire);
  upstream.setTimeout(interval);
}
