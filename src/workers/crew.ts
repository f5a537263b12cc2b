import cluster, { type Worker } from "node:cluster";
import { setTimeout as delay } from "node:timers/promises";
import type { Log } from "../observe/log.ts";
import type { Attached, Primary } from "./primary.ts";
import type { Listened, StopHow } from "./protocol.ts";

export interface CrewOptions {
  readonly primary: Primary;
  readonly log: Log;
}

interface Member {
  readonly worker: Worker;
  readonly attached: Attached;
  readonly started: number;
  /** Resolves when its process has ended. */
  readonly ended: Promise<void>;
  /** It was told to stop: no other is to take its place. */
  dismissed: boolean;
}

/** Milliseconds: one that lived for less has failed at its start, and the next is not tried at once. */
const young = 5000;
const longestPause = 10_000;

/**
 * The worker processes of an instance. The primary holds the sockets that are listened on and gives each connection to the next worker, so that
 * none is lost when a worker comes or goes.
 */
export class Crew {
  readonly #primary: Primary;
  readonly #log: Log;
  readonly #members = new Set<Member>();
  #size = 0;
  #stopping = false;
  #failures = 0;
  #reloading: Promise<void> = Promise.resolve();

  constructor({ primary, log }: CrewOptions) {
    this.#primary = primary;
    this.#log = log;
    cluster.schedulingPolicy = cluster.SCHED_RR;
    cluster.setupPrimary({ serialization: "advanced" });
  }

  get size(): number {
    return this.#size;
  }

  /** Resolves with what they listen on; rejects with why one of them cannot. */
  async start(size: number): Promise<readonly Listened[]> {
    this.#size = size;
    const raised = this.#raise(size);
    this.#reloading = raised.then(
      () => undefined,
      () => undefined,
    );
    return await raised;
  }

  /**
   * Starts as many new ones, with what configuration and program are now, and lets the old ones end what they have. Rejects, with all as it was, where
   * a new one cannot start.
   */
  async reload(size: number, limit: number): Promise<void> {
    const turn = this.#reloading.then(() => this.#renew(size, limit));
    this.#reloading = turn.catch(() => undefined);
    await turn;
  }

  async #renew(size: number, limit: number): Promise<void> {
    if (this.#stopping) return;
    const before = [...this.#members];
    const sizeBefore = this.#size;
    this.#size = size;
    try {
      await this.#raise(size);
    } catch (error) {
      this.#size = sizeBefore;
      throw error;
    }
    for (const member of before) dismiss(member, "retire", limit);
  }

  /** A second call may shorten the first. Resolves when all have ended. */
  async stop(how: StopHow, limit: number): Promise<void> {
    this.#stopping = true;
    for (const member of this.#members) dismiss(member, how, limit);
    while (this.#members.size > 0) await Promise.all([...this.#members].map(({ ended }) => ended));
  }

  async #raise(size: number): Promise<readonly Listened[]> {
    const raised = Array.from({ length: size }, () => this.#fork());
    try {
      const listening = await Promise.all(raised.map(({ attached }) => attached.ready));
      return listening[0] ?? [];
    } catch (error) {
      for (const member of raised) dismiss(member, "now", 0);
      for (const { worker } of raised) worker.process.kill("SIGKILL");
      await Promise.all(raised.map(({ ended }) => ended));
      throw error;
    }
  }

  #fork(): Member {
    const worker = cluster.fork();
    const attached = this.#primary.attach((message) => {
      // One that is gone has nothing to be told; its end is told by the event.
      if (worker.isConnected()) worker.send(message as object, () => undefined);
    });
    const ended = Promise.withResolvers<void>();
    const member: Member = { worker, attached, started: Date.now(), ended: ended.promise, dismissed: false };
    this.#members.add(member);
    worker.on("message", (message: unknown) => attached.receive(message));
    worker.on("error", (error) => this.#log.warn({ event: "worker", err: error }, "a worker could not be talked to"));
    let gone = false;
    const over = (): void => {
      if (gone) return;
      gone = true;
      attached.gone();
    };
    // What it said last is read before this.
    worker.once("disconnect", over);
    worker.once("exit", (code, signal) => {
      if (!worker.isConnected()) over();
      this.#members.delete(member);
      ended.resolve();
      if (!member.dismissed) void this.#replace(member, signal ?? code);
    });
    return member;
  }

  async #replace({ attached, started, worker }: Member, how: string | number): Promise<void> {
    if (this.#stopping) return;
    this.#failures = Date.now() - started < young ? this.#failures + 1 : 0;
    const pause = this.#failures < 2 ? 0 : Math.min(longestPause, 250 * 2 ** this.#failures);
    const line = { event: "worker-lost", worker: attached.number, pid: worker.process.pid, how };
    this.#log.error(line, "a worker ended by itself; another one takes its place");
    if (pause > 0) await delay(pause, undefined, { ref: false });
    const working = [...this.#members].filter(({ dismissed }) => !dismissed).length;
    if (this.#stopping || working >= this.#size) return;
    // Why it cannot start is told by itself, or by its end.
    this.#fork().attached.ready.catch(() => undefined);
  }
}

function dismiss(member: Member, how: StopHow, limit: number): void {
  member.dismissed = true;
  member.attached.stop(how, limit);
}
