import { Clock } from "./clock.ts";
import { Connection, type Reply } from "./connection.ts";
import type { Item, JobResult, PullJob } from "./job.ts";
import { SlowClient } from "./slow.ts";

type Mark = (which: "begin" | "end") => void;

export async function pull(job: PullJob, mark: Mark): Promise<JobResult> {
  // The slow ones' handshakes come first: what is timed is the transfer that all share.
  const { clients, bytesPerSecond } = job.slow ?? { clients: 0, bytesPerSecond: 0 };
  const slow = await Promise.all(Array.from({ length: clients }, () => SlowClient.open(job.target)));
  const work = new Pull(job, mark);
  const [item] = job.items;
  for (const client of slow) client.ask(item?.path ?? "/", bytesPerSecond);
  const result = await work.run();
  const rates = slow.map((client) => client.drop());
  return { ...result, slowest: rates.length === 0 ? undefined : Math.min(...rates) };
}

class Pull {
  readonly #job: PullJob;
  readonly #mark: Mark;
  readonly #clock = new Clock();
  readonly #firstBytes: number[] = [];
  readonly #open = new Set<Connection>();
  readonly #timers: NodeJS.Timeout[] = [];
  #asked = 0;
  #bytes = 0;
  /** Seconds and bytes when the window began. */
  #from = { at: 0, bytes: 0 };
  #inWindow: { seconds: number; bytes: number } | undefined;
  #over = false;
  #tls = "";

  constructor(job: PullJob, mark: Mark) {
    this.#job = job;
    this.#mark = mark;
  }

  async run(): Promise<JobResult> {
    const { clients, connections, seconds, window } = this.#job;
    if (seconds !== undefined) this.#timers.push(setTimeout(() => (this.#over = true), seconds * 1000));
    const client = connections === "kept" ? () => this.#kept() : () => this.#fresh();
    await Promise.all(Array.from({ length: clients }, client)).finally(() => this.#timers.forEach(clearTimeout));
    const result = this.#clock.stop(this.#bytes, this.#tls);
    if (window && !this.#inWindow) throw new Error("The requests ended before the window did.");
    return { ...result, ...this.#inWindow, lag: lag(this.#firstBytes) };
  }

  async #kept(): Promise<void> {
    const connection = await this.#connect();
    if (this.#open.size === this.#job.clients) this.#allConnected();
    for (let first = true; this.#goesOn(); first = false) {
      const reply = await this.#get(connection, performance.now());
      if (!reply) break;
      if (first) this.#firstBytes.push(reply.firstByte);
    }
    this.#close(connection);
  }

  async #fresh(): Promise<void> {
    while (this.#goesOn()) {
      const start = performance.now();
      const connection = await this.#connect();
      await this.#get(connection, start);
      this.#close(connection);
    }
  }

  #goesOn(): boolean {
    return !this.#over && this.#asked < this.#job.requests;
  }

  /** Undefined where the job was cut. */
  async #get(connection: Connection, start: number): Promise<Reply | undefined> {
    const { items, verify } = this.#job;
    const item = items[this.#asked++ % items.length];
    if (!item) throw new Error("Nothing to ask for.");
    const reply = await connection.get(item, verify);
    this.#bytes += reply?.bytes ?? connection.received;
    if (!reply) return undefined;
    check(reply, item, verify);
    this.#clock.count(start);
    return reply;
  }

  async #connect(): Promise<Connection> {
    const connection = await Connection.open(this.#job.target);
    this.#tls ||= connection.describe();
    this.#open.add(connection);
    return connection;
  }

  #close(connection: Connection): void {
    this.#open.delete(connection);
    connection.close();
  }

  #allConnected(): void {
    const { window } = this.#job;
    if (!window) return;
    this.#timers.push(setTimeout(() => this.#begin(), window[0] * 1000));
    this.#timers.push(setTimeout(() => this.#end(), window[1] * 1000));
  }

  #begin(): void {
    this.#from = { at: performance.now(), bytes: this.#soFar() };
    this.#mark("begin");
  }

  #end(): void {
    const { at, bytes } = this.#from;
    this.#inWindow = { seconds: (performance.now() - at) / 1000, bytes: this.#soFar() - bytes };
    this.#mark("end");
    this.#over = true;
    for (const connection of this.#open) connection.close();
  }

  #soFar(): number {
    return [...this.#open].reduce((total, connection) => total + connection.received, this.#bytes);
  }
}

function lag(firstBytes: readonly number[]): JobResult["lag"] {
  const [leader, follower, ...others] = firstBytes.toSorted((a, b) => a - b);
  if (leader === undefined || follower === undefined) return undefined;
  return { first: follower - leader, last: (others.at(-1) ?? follower) - leader };
}

/** Throws where an answer is not the item. */
export function check(reply: Reply, item: Item, verify: boolean): void {
  const { status, bytes, sha256 } = reply;
  if (status !== (item.range ? 206 : 200)) throw new Error(`GET ${item.path} was answered ${status}.`);
  if (bytes !== item.bytes) throw new Error(`GET ${item.path} brought ${bytes} bytes in place of ${item.bytes}.`);
  if (verify && sha256 !== item.sha256) throw new Error(`GET ${item.path} brought bytes whose sha256 is ${sha256}.`);
}
