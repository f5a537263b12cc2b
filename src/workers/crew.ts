import cluster, { type Worker } from "node:cluster";
import { setTimeout as delay } from "node:timers/promises";
import type { Log } from "../observe/log.ts";
import type { Attached, Primary } from "./primary.ts";
import type { Listened, StopHow, WorkerDoors } from "./protocol.ts";

export interface CrewOptions {
  readonly primary: Primary;
  readonly log: Log;
}

/** The bound sockets of an instance. */
export interface Doors<Same> {
  /** At each place there is one for each queue, or one for all. */
  readonly queues: number;
  /** `fd`: a descriptor of this process. */
  readonly sockets: WorkerDoors["sockets"];
  /** Closes those that `other` does not have. */
  release(other?: Same): void;
}

/** Binds them, and keeps of the earlier ones what stays. Rejects with why it cannot. */
export type OpenDoors<D> = (workers: number, earlier: D | undefined) => Promise<D>;

interface Member {
  /** Its place among the workers that serve, from 0. */
  readonly index: number;
  readonly queues: readonly number[];
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

/** The first descriptor that a worker inherits: after its standard streams and the way to its primary. */
const firstInherited = 4;

/**
 * The worker processes of an instance. Each takes connections from a queue of its own, which the primary holds too, so that none is lost when a worker comes
 * or goes: whoever serves next takes them from the same queue.
 */
export class Crew<D extends Doors<D>> {
  readonly #primary: Primary;
  readonly #log: Log;
  readonly #members = new Set<Member>();
  #size = 0;
  #doors: D | undefined;
  #stopping = false;
  #failures = 0;
  #reloading: Promise<void> = Promise.resolve();

  constructor({ primary, log }: CrewOptions) {
    this.#primary = primary;
    this.#log = log;
  }

  get size(): number {
    return this.#size;
  }

  /** Resolves with what they listen on; rejects with why one of them cannot. */
  async start(size: number, open: OpenDoors<D>): Promise<readonly Listened[]> {
    const raised = this.#open(size, open);
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
  async reload(size: number, limit: number, open: OpenDoors<D>): Promise<void> {
    const turn = this.#reloading.then(() => this.#renew(size, limit, open));
    this.#reloading = turn.catch(() => undefined);
    await turn;
  }

  async #renew(size: number, limit: number, open: OpenDoors<D>): Promise<void> {
    if (this.#stopping) return;
    const before = [...this.#members];
    await this.#open(size, open);
    for (const member of before) dismiss(member, "retire", limit);
  }

  /** Raises so many at what is to be listened on; where that fails, all is as it was. */
  async #open(size: number, open: OpenDoors<D>): Promise<readonly Listened[]> {
    const [sizeBefore, doorsBefore] = [this.#size, this.#doors];
    const doors = await open(size, doorsBefore);
    if (this.#stopping) {
      doors.release();
      return [];
    }
    this.#size = size;
    this.#doors = doors;
    try {
      const listening = await this.#raise(size);
      doorsBefore?.release(doors);
      return listening;
    } catch (error) {
      this.#size = sizeBefore;
      this.#doors = doorsBefore;
      doors.release(doorsBefore);
      if (this.#stopping) doorsBefore?.release();
      throw error;
    }
  }

  /** A second call may shorten the first. Resolves when all have ended. */
  async stop(how: StopHow, limit: number): Promise<void> {
    this.#stopping = true;
    for (const member of this.#members) dismiss(member, how, limit);
    // Who comes from now on is refused.
    this.#doors?.release();
    this.#doors = undefined;
    while (this.#members.size > 0) await Promise.all([...this.#members].map(({ ended }) => ended));
  }

  async #raise(size: number): Promise<readonly Listened[]> {
    const raised = Array.from({ length: size }, (_, index) => this.#fork(index));
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

  #fork(index: number): Member {
    const { sockets = [], queues: count = 1 } = this.#doors ?? {};
    const queues = queuesOf(index, this.#size, count);
    const descriptors = sockets.map(({ fd }) => fd);
    cluster.setupPrimary({
      serialization: "advanced",
      stdio: ["inherit", "inherit", "inherit", "ipc", ...descriptors],
    });
    const worker = cluster.fork();
    const inherited = sockets.map((socket, at) => ({ ...socket, fd: firstInherited + at }));
    const attached = this.#primary.attach(
      (message) => {
        // One that is gone has nothing to be told; its end is told by the event.
        if (worker.isConnected()) worker.send(message as object, () => undefined);
      },
      { sockets: inherited, queues },
    );
    const ended = Promise.withResolvers<void>();
    const member: Member = {
      index,
      queues,
      worker,
      attached,
      started: Date.now(),
      ended: ended.promise,
      dismissed: false,
    };
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

  async #replace({ index, queues, attached, started, worker }: Member, how: string | number): Promise<void> {
    if (this.#stopping) return;
    // Whoever waits in its queue, or comes into it before another one is ready, is not to wait for that.
    for (const { dismissed, attached: other } of this.#members) if (!dismissed) other.adopt(queues);
    this.#failures = Date.now() - started < young ? this.#failures + 1 : 0;
    const pause = this.#failures < 2 ? 0 : Math.min(longestPause, 250 * 2 ** this.#failures);
    const line = { event: "worker-lost", worker: attached.number, pid: worker.process.pid, how };
    this.#log.error(line, "a worker ended by itself; another one takes its place");
    if (pause > 0) await delay(pause, undefined, { ref: false });
    const working = [...this.#members].filter(({ dismissed }) => !dismissed).length;
    if (this.#stopping || working >= this.#size) return;
    // Why it cannot start is told by itself, or by its end.
    this.#fork(index).attached.ready.catch(() => undefined);
  }
}

/** Of so many queues, those of one of so many workers: each queue is somebody's, and everybody has one. */
function queuesOf(index: number, workers: number, queues: number): number[] {
  if (queues < workers) return [index % queues];
  return Array.from({ length: queues }, (_, queue) => queue).filter((queue) => queue % workers === index);
}

function dismiss(member: Member, how: StopHow, limit: number): void {
  member.dismissed = true;
  member.attached.stop(how, limit);
}
