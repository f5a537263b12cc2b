import { pack, unpack } from "./parcel.ts";

/** What the other end can be asked for, by name. */
export type Methods = Readonly<Record<string, (...given: never[]) => unknown>>;

type Given<M, Name extends keyof M> = M[Name] extends (...given: infer G) => unknown ? G : never;
type Outcome<M, Name extends keyof M> = M[Name] extends (...given: never[]) => infer R ? Awaited<R> : never;

/** The way to the other process. Messages arrive whole and in order, or the other end is gone. */
export type Send = (message: unknown) => void;

type Message =
  | readonly ["ask", number, string, unknown]
  | readonly ["tell", string, unknown]
  | readonly ["answer", number, unknown]
  | readonly ["fail", number, unknown];

interface Waiting {
  readonly answered: (value: unknown) => void;
  readonly failed: (error: Error) => void;
}

/** One end of the way between two processes of an instance: asks, and is asked. */
export class Channel<Local extends Methods, Remote extends Methods> {
  readonly #send: Send;
  readonly #local: Local;
  readonly #waiting = new Map<number, Waiting>();
  #asked = 0;
  #closed: Error | undefined;

  constructor(send: Send, local: Local) {
    this.#send = send;
    this.#local = local;
  }

  /**
   * Rejects with what the other end rejected with, or with STOPPING when it is gone. `first` sees the answer before any later message is taken, which a
   * promise's listeners do not.
   */
  ask<Name extends keyof Remote & string>(
    name: Name,
    given: Given<Remote, Name>,
    first?: (answer: Outcome<Remote, Name>) => void,
  ): Promise<Outcome<Remote, Name>> {
    return new Promise((resolve, reject) => {
      if (this.#closed !== undefined) {
        reject(this.#closed);
        return;
      }
      this.#asked += 1;
      this.#waiting.set(this.#asked, {
        answered: (value) => {
          const answer = value as Outcome<Remote, Name>;
          first?.(answer);
          resolve(answer);
        },
        failed: reject,
      });
      this.#send(["ask", this.#asked, name, pack(given)] satisfies Message);
    });
  }

  tell<Name extends keyof Remote & string>(name: Name, ...given: Given<Remote, Name>): void {
    if (this.#closed === undefined) this.#send(["tell", name, pack(given)] satisfies Message);
  }

  /** To be called with each message of the other end. */
  receive(message: unknown): void {
    const [kind, ...rest] = message as Message;
    if (kind === "tell") {
      const [name, given] = rest as [string, unknown];
      void this.#run(name, given);
    } else if (kind === "ask") {
      const [number, name, given] = rest as [number, string, unknown];
      void this.#answer(number, name, given);
    } else {
      const [number, value] = rest as [number, unknown];
      const waiting = this.#waiting.get(number);
      this.#waiting.delete(number);
      if (kind === "answer") waiting?.answered(unpack(value));
      else waiting?.failed(unpack(value) as Error);
    }
  }

  /** The other end is gone: whoever waits for it is told so. */
  close(error: Error): void {
    this.#closed = error;
    for (const { failed } of this.#waiting.values()) failed(error);
    this.#waiting.clear();
  }

  #run(name: string, given: unknown): unknown {
    return this.#local[name]?.(...(unpack(given) as never[]));
  }

  async #answer(number: number, name: string, given: unknown): Promise<void> {
    let message: Message;
    try {
      message = ["answer", number, pack(await this.#run(name, given))];
    } catch (error) {
      message = ["fail", number, pack(error)];
    }
    if (this.#closed === undefined) this.#send(message);
  }
}
