import { Readable } from "node:stream";
import type { FillFetch, FillSource } from "../../../src/cache/types.ts";

/** A body that a test feeds by hand. */
export class ManualBody extends Readable {
  pauses = 0;

  constructor() {
    super({ highWaterMark: 1 << 30 });
  }

  override _read(): void {
    // Pushed from outside.
  }

  override pause(): this {
    this.pauses += 1;
    return super.pause();
  }
}

/** `offset`: unless it is the one that was asked for. */
type Answered = Omit<FillSource, "offset"> & { readonly offset: 0 | undefined };

/** An upstream whose answers a test gives one by one, before or after they are asked for. */
export class ManualUpstream {
  readonly asked: { readonly offset: number; readonly signal: AbortSignal }[] = [];
  readonly #questions: PromiseWithResolvers<Answered>[] = [];
  #answered = 0;

  readonly fetch: FillFetch = async (offset, signal) => {
    const question = this.#question(this.asked.length);
    this.asked.push({ offset, signal });
    signal.addEventListener("abort", () => question.reject(new DOMException("Aborted.", "AbortError")));
    const source = await question.promise;
    return { ...source, offset: source.offset ?? offset };
  };

  #question(index: number): PromiseWithResolvers<Answered> {
    const question = this.#questions[index] ?? Promise.withResolvers<Answered>();
    question.promise.catch(() => undefined);
    this.#questions[index] = question;
    return question;
  }

  /** Answers the next question, from the offset that it asks for on, or from zero. */
  answer(size: number | undefined, offset?: 0): ManualBody {
    const body = new ManualBody();
    this.#question(this.#answered).resolve({ size, mediaType: "application/test", offset, body });
    this.#answered += 1;
    return body;
  }

  refuse(error: Error): void {
    this.#question(this.#answered).reject(error);
    this.#answered += 1;
  }
}

/** An upstream that sends bytes in chunks, and whose n-th body behaves as the n-th of `faults` says. The last one stands for all further ones. */
export interface Fault {
  /** Cuts the body after so many bytes of its own. */
  readonly cut?: number;
  /** Ends it as if it were whole after so many. */
  readonly short?: number;
  /** Ignores the offset. */
  readonly fromZero?: boolean;
  /** Flips the byte at this position of the blob. */
  readonly flip?: number;
  /** Appends so many. */
  readonly extra?: number;
  readonly error?: Error;
  /** Announces this in place of the size. */
  readonly size?: number;
  readonly validator?: string;
}

export function scripted(
  bytes: Buffer,
  chunk: number,
  faults: readonly Fault[] = [],
  announced = true,
): { readonly fetch: FillFetch; readonly offsets: number[]; readonly validators: (string | undefined)[] } {
  const offsets: number[] = [];
  const validators: (string | undefined)[] = [];
  const fetch: FillFetch = async (offset, _signal, validator) => {
    const fault = faults[Math.min(offsets.length, faults.length - 1)] ?? {};
    offsets.push(offset);
    validators.push(validator);
    if (fault.error !== undefined) throw fault.error;
    const start = fault.fromZero === true ? 0 : offset;
    const sent = Buffer.concat([bytes, Buffer.alloc(fault.extra ?? 0)]);
    if (fault.flip !== undefined) sent[fault.flip] = (sent[fault.flip] ?? 0) ^ 1;
    const end = Math.min(sent.length, start + (fault.cut ?? fault.short ?? sent.length));
    return {
      size: fault.size ?? (announced ? bytes.length : undefined),
      validator: fault.validator,
      mediaType: "application/test",
      offset: start,
      body: Readable.from(chunks(sent, start, end, chunk, fault.cut !== undefined), {
        objectMode: false,
        highWaterMark: chunk,
      }),
    };
  };
  return { fetch, offsets, validators };
}

async function* chunks(bytes: Buffer, start: number, end: number, chunk: number, cut: boolean): AsyncGenerator<Buffer> {
  for (let at = start; at < end; at += chunk) yield bytes.subarray(at, Math.min(end, at + chunk));
  if (cut) throw new Error("The connection was cut.");
}
