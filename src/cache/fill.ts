import type { Hash } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { algorithmOf, type Digest, digestOfHash, hashFor } from "../core/digest.ts";
import { EntrepotError } from "../core/errors.ts";
import type { FillListener, FillOptions } from "./fill-parts.ts";
import { asError, failureError, isFinal } from "./flight-errors.ts";
import {
  askFrom,
  endedShort,
  type FlightEvent,
  type FlightFailure,
  type FlightState,
  initialFlight,
  step,
} from "./flight-state.ts";
import { Pacer } from "./pacer.ts";
import { appendWithRoom } from "./room.ts";
import { type Left, resumedFlight } from "./resume.ts";
import type { FillFetch, FillSource, Spool } from "./types.ts";
import { Source } from "./source.ts";
import { Window } from "./window.ts";

/** Pieces are written when this much has come, or when a turn of the event loop brought nothing more. */
const batch = 256 * 1024;
/**
 * Nor is more written at once than this: for a larger write the kernel takes larger blocks of memory, which are more likely to be new to it, and cost up to
 * ten times as much then (ADR 0013).
 */
const largest = 512 * 1024;
/** The source is paused when more than this waits for the disk, and resumed at a quarter of it. */
const backlog = 4 * 1024 * 1024;
/** The free space of the disk is looked at each time that this much was written. */
const spaceStep = 64 * 1024 * 1024;

/** Moves the bytes of one blob from the upstream to the spool, and proves them. */
export class Fill {
  state: FlightState;
  /** Why it failed. */
  error: Error | undefined;
  spool: Spool | undefined;
  readonly window: Window;
  readonly #digest: Digest;
  readonly #fetch: FillFetch;
  readonly #options: FillOptions;
  readonly #listener: FillListener;
  readonly #abort = new AbortController();
  /** Of all that was received. */
  #hash: Hash;
  /** Of a body that began at zero again. */
  #repeat: Hash | undefined;
  #source: Source | undefined;
  #answered = false;
  #writing = false;
  #armed = false;
  /** `received` when the armed turn of the loop began. */
  #seen = 0;
  /** `written` when the free space was last looked at. */
  #looked = 0;
  /** Why the disk took no more. */
  #lost: Error | undefined;
  /** Of the source that it ends with. */
  #proven: FillSource["proven"];
  #mediaType = "";
  readonly #pacer: Pacer;

  /** `expected`: bytes that the blob may have at most. */
  constructor(digest: Digest, fetch: FillFetch, options: FillOptions, listener: FillListener, expected?: number) {
    this.state = { ...initialFlight, most: expected };
    this.#digest = digest;
    this.#fetch = fetch;
    this.#options = options;
    this.#listener = listener;
    this.#hash = hashFor(digest);
    this.window = new Window(options.slabs);
    this.#pacer = new Pacer(
      {
        needs: () => listener.needs(),
        drop: (before) => listener.drop(before),
        pause: () => this.#source?.pause(),
        resume: () => this.#source?.resume(),
        trim: (before) => this.window.trim(before),
      },
      options.window,
      options.patience,
    );
  }

  /** Begins. Everything further is told to the listener, never before this has returned. */
  start(): void {
    this.#asking(0);
  }

  /** Likewise, with what another process had fetched when it ended; these bytes count as any that came. */
  resume(left: Left): void {
    this.spool = left.spool;
    this.#hash = left.hash;
    this.#answered = true;
    this.#mediaType = left.mediaType;
    this.window.begin(left.bytes);
    this.state = resumedFlight(this.state, left);
    const wrong = this.#over();
    queueMicrotask(() => {
      if (wrong) this.#failed();
      else if (this.state.phase === "proving") this.#prove();
      else if (!this.#over()) this.#asking(0);
    });
  }

  /** Ends it for good, with the error that followers get. */
  stop(error: Error): void {
    if (this.state.phase !== "proving") this.#fail("stopped", error);
  }

  /** Why a newcomer could not be served from the start, where that is so: the disk took no more, and memory has moved on. */
  get lost(): Error | undefined {
    const { spooled } = this.state;
    return spooled !== undefined && this.window.start > spooled ? this.#lost : undefined;
  }

  /** Why the disk took no more, where it did not. */
  get lostDisk(): Error | undefined {
    return this.state.spooled === undefined ? undefined : this.#lost;
  }

  /** When nobody will ask it anything again. */
  close(): void {
    this.spool?.close();
    if (!this.#writing) this.window.clear();
  }

  #asking(wait: number): void {
    this.#ask(wait).catch((error: unknown) => this.#fail("upstream", asError(error)));
  }

  async #ask(wait: number): Promise<void> {
    const { signal } = this.#abort;
    let source: FillSource;
    try {
      // Even without a wait the first step is asynchronous: whoever starts a fill has its flight before the first event.
      await (wait > 0 ? delay(wait, undefined, { signal }) : undefined);
      if (this.spool === undefined && this.state.spooled === undefined && !(await this.#openSpool())) return;
      source = await this.#fetch(askFrom(this.state), signal, this.state.validator);
    } catch (thrown) {
      const error = asError(thrown);
      // Before its first answer, the upstream's refusal is the answer.
      if (isFinal(error)) this.#fail(this.state.answered ? "final" : "upstream", error);
      else this.#broke(error);
      return;
    }
    // Its listeners are there before anything else is waited for: an error without one would end the process.
    const next = new Source(source.body, this.#broke, this.#ended);
    if (this.state.phase !== "asking") {
      next.destroy();
      return;
    }
    this.#source = next;
    this.#step({ type: "answered", offset: source.offset, size: source.size, validator: source.validator });
    if (this.#over()) this.#failed();
    else if (this.state.restarting) this.#restart(next);
    else this.#open(next, source);
  }

  /** The rest is of another version: from zero, to see whether that begins with the bytes that we have. */
  #restart(source: Source): void {
    source.destroy();
    this.#source = undefined;
    this.#asking(0);
  }

  /** Without a spool it goes on in memory, for who follows. False where there is nothing left to do: nobody does, or it was stopped. */
  async #openSpool(): Promise<boolean> {
    try {
      this.#options.room?.keep();
      const spool = await this.#options.store.createSpool(this.#digest);
      this.spool = spool;
      if (this.#over()) spool.close();
    } catch (error) {
      this.#lost = asError(error);
      this.#step({ type: "disk-lost" });
      this.pace();
    }
    return !this.#over();
  }

  #open(source: Source, { size, mediaType, proven }: FillSource): void {
    this.#proven = proven;
    if (!this.#answered) {
      this.#answered = true;
      if (size !== undefined) this.window.expect(size);
      this.#mediaType = mediaType;
      this.#listener.answered({ size, mediaType });
    }
    // A fresh hash of the beginning, to be compared with the one of the bytes that we have.
    this.#repeat = this.state.repeating > 0 ? hashFor(this.#digest) : undefined;
    source.start(this.#chunk);
    if (this.#pacer.paused) source.pause();
  }

  readonly #chunk = (received: Buffer): void => {
    const chunk = this.state.repeating > 0 ? this.#compare(received) : received;
    if (chunk.length === 0 || this.#over()) return;
    this.#step({ type: "received", bytes: chunk.length });
    if (this.state.phase !== "filling") {
      this.#failed();
      return;
    }
    // While it is in the processor's nearest cache.
    this.#hash.update(chunk);
    this.window.append(chunk);
    if (this.state.received - this.state.written > backlog) this.#source?.pause();
    this.#arm();
  };

  /** Takes off what we have already; what is left over is new. */
  #compare(chunk: Buffer): Buffer {
    const bytes = Math.min(chunk.length, this.state.repeating);
    this.#repeat?.update(chunk.subarray(0, bytes));
    let same = true;
    if (bytes === this.state.repeating) {
      same = this.#repeat?.digest("hex") === this.#hash.copy().digest("hex");
    }
    this.#step({ type: "repeated", bytes, same });
    if (!same) this.#failed();
    return chunk.subarray(bytes);
  }

  /** Sees to it that what has come is written soon, in pieces of a good size. */
  #arm(): void {
    if (this.#writing || this.#over()) return;
    const waiting = this.state.received - this.state.written;
    if (waiting >= batch || (this.state.ended && waiting > 0)) this.#flush();
    else if (waiting > 0 && !this.#armed) {
      this.#armed = true;
      this.#seen = this.state.received;
      setImmediate(this.#turned);
    }
  }

  readonly #turned = (): void => {
    this.#armed = false;
    if (this.#writing || this.#over()) return;
    if (this.state.received === this.#seen || this.state.written === 0) this.#flush();
    else this.#arm();
  };

  #flush(): void {
    const { received, written, spooled, size } = this.state;
    if (received === written) return;
    if (spooled !== undefined) {
      this.#wrote(received - written);
      return;
    }
    const end = Math.min(received, written + largest);
    this.#writing = true;
    const rest = size === undefined ? undefined : size - written;
    const pieces = this.window.pieces(written, end);
    appendWithRoom(this.spool, pieces, rest, this.#options, this.#abort.signal).then(
      () => this.#wrote(end - written),
      (error: unknown) => this.#loseDisk(end - written, asError(error)),
    );
  }

  /** A pull is not to fail for the cache's sake: who follows goes on from memory, and nothing is kept. */
  #loseDisk(bytes: number, error: Error): void {
    this.#lost = error;
    if (this.#over()) {
      this.#writing = false;
      this.window.clear();
      return;
    }
    this.#step({ type: "disk-lost" });
    // Its name only: who is behind reads it by its descriptor.
    this.spool?.discard().catch(() => undefined);
    this.#wrote(bytes);
  }

  /** Without the disk: keeps in memory what somebody still needs, and lets the source wait for the slowest. */
  pace(): void {
    const { spooled, received, phase } = this.state;
    if (spooled === undefined || phase === "failed") return;
    if (!this.#listener.followed()) {
      if (phase !== "landed") this.#fail("disk", this.#lost ?? failureError(this.state, this.#digest, undefined));
      return;
    }
    this.#pacer.pace(spooled, received);
  }

  #wrote(bytes: number): void {
    this.#writing = false;
    if (this.#over()) {
      this.window.clear();
      return;
    }
    const before = this.state.visible;
    this.#step({ type: "written", bytes });
    const { written, received, visible, spooled } = this.state;
    if (received - written <= backlog / 4 && !this.#pacer.paused) this.#source?.resume();
    if (visible > before) this.#listener.advanced();
    if (spooled !== undefined) this.pace();
    else this.window.trim(this.#listener.followed() ? visible - this.#options.window : written);
    if (written - this.#looked >= spaceStep) {
      this.#looked = written;
      this.#options.room?.keep();
    }
    // What was told may have ended it.
    if (this.#over()) return;
    if (this.state.phase === "proving") this.#prove();
    else this.#arm();
  }

  readonly #ended = (): void => {
    if (this.#over()) return;
    if (endedShort(this.state)) {
      const { received, size } = this.state;
      this.#broke(
        new EntrepotError(
          "UPSTREAM_WRONG_LENGTH",
          `The upstream sent ${received} of ${size ?? "more"} bytes of ${this.#digest}.`,
        ),
      );
      return;
    }
    this.#step({ type: "ended" });
    if (this.state.phase === "proving") this.#prove();
    else this.#arm();
  };

  #prove(): void {
    const found = digestOfHash(algorithmOf(this.#digest), this.#hash);
    this.#step({ type: "proved", right: found === this.#digest });
    if (this.state.phase === "failed") {
      this.#failed(`The upstream sent ${found} in place of ${this.#digest}.`);
      return;
    }
    if (this.state.spooled !== undefined) {
      this.#land(this.#lost);
      return;
    }
    this.#place().then(
      () => this.#land(undefined),
      (error: unknown) => this.#land(asError(error)),
    );
  }

  /** In this order, and then the last piece: who finds it in the store knows what it is, and who has it whole finds it there. */
  async #place(): Promise<void> {
    await this.#proven?.(this.state.received, this.#mediaType);
    await this.spool?.adopt();
  }

  #land(lost: Error | undefined): void {
    this.#step({ type: "landed" });
    this.#options.room?.keep();
    this.#pacer.stop();
    this.#listener.landed(lost);
    // What a follower has not taken by now it reads from the spool, so that a slow one holds no window.
    if (this.state.spooled === undefined) this.window.clear();
  }

  readonly #broke = (error: Error): void => {
    if (this.#over()) return;
    this.#source?.destroy();
    this.#source = undefined;
    this.#step({ type: "broke", retries: this.#options.retryDelays.length });
    if (this.state.phase === "failed") {
      this.#failed(undefined, error);
      return;
    }
    // A broken attempt's error is not a whole body's: what came so far is kept, and the rest asked for.
    if (this.state.phase === "asking") this.#asking(this.#options.retryDelays[this.state.breaks - 1] ?? 0);
  };

  #fail(failure: FlightFailure, error: Error): void {
    if (this.#over()) return;
    this.#step({ type: "failed", failure });
    this.#failed(undefined, error);
  }

  #failed(message?: string, error?: Error): void {
    this.error = error ?? failureError(this.state, this.#digest, message);
    this.#pacer.stop();
    this.#abort.abort();
    this.#source?.destroy();
    this.#source = undefined;
    // The bytes being written must stay what they are; the write's end clears the window then.
    if (!this.#writing) this.window.clear();
    this.spool?.discard().catch(() => undefined);
    this.#listener.failed(this.error);
  }

  #over(): boolean {
    return this.state.phase === "failed" || this.state.phase === "landed";
  }

  #step(event: FlightEvent): void {
    this.state = step(this.state, event);
  }
}
