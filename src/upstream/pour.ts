import { validateHeaderName, validateHeaderValue } from "node:http";
import type { EntrepotError } from "../core/errors.ts";
import { first } from "../core/headers.ts";
import { Answer } from "./answer.ts";
import { bodyFailure, cancelled, codeOf, exchangeFailure, timeout } from "./failures.ts";
import { type Hop, type HopAnswer, type SendTimeouts, addressOf, fieldsOf, stale } from "./hop.ts";
import { type IdleWatch, watchIdle } from "./idle.ts";
import { MalformedResponse, type ResponseHead } from "./response-head.ts";
import { ResponseReader } from "./response-reader.ts";
import type { Wire, WirePool } from "./wire.ts";

/** Sends a GET on a wire. Resolves and rejects as Send does; `stale` where an idle connection was closed just as it was taken. */
export async function pourOnce(wires: WirePool, timeouts: SendTimeouts, hop: Hop): Promise<HopAnswer | typeof stale> {
  if (hop.signal.aborted) throw cancelled(hop.signal);
  const request = requestBytes(hop);
  const wire = wires.take(hop.origin) ?? (await wires.open(hop.origin, hop.signal));
  return new Promise((resolve, reject) => {
    new Pouring(wires, wire, timeouts, hop, { resolve, reject }).start(request);
  });
}

interface Settle {
  readonly resolve: (answer: HopAnswer | typeof stale) => void;
  readonly reject: (error: EntrepotError) => void;
}

/** One request on a wire, and its answer. */
class Pouring {
  readonly #wires: WirePool;
  readonly #wire: Wire;
  readonly #timeouts: SendTimeouts;
  readonly #hop: Hop;
  readonly #settle: Settle;
  readonly #reader: ResponseReader;
  readonly #watch: IdleWatch;
  #head: ResponseHead | undefined;
  #answer: Answer | undefined;
  #sent = false;
  #heard = false;
  #paused = false;
  #over = false;

  constructor(wires: WirePool, wire: Wire, timeouts: SendTimeouts, hop: Hop, settle: Settle) {
    this.#wires = wires;
    this.#wire = wire;
    this.#timeouts = timeouts;
    this.#hop = hop;
    this.#settle = settle;
    this.#reader = new ResponseReader({ head: this.#onHead, body: this.#onBody });
    this.#watch = watchIdle(wire.socket, timeouts.sendMs, this.#held, this.#expired);
  }

  start(request: string): void {
    const { socket } = this.#wire;
    if (socket.destroyed) return this.#broke(undefined);
    if (this.#hop.signal.aborted) return this.#aborted();
    this.#wire.listen(this.#onBytes);
    this.#hop.signal.addEventListener("abort", this.#aborted, { once: true });
    socket.on("error", this.#broke).on("end", this.#ended).on("close", this.#ended);
    socket.write(request, "latin1", () => {
      this.#sent = true;
      if (!this.#over) this.#watch.limit(this.#timeouts.readMs);
    });
  }

  readonly #onBytes = (bytes: Buffer): void => {
    this.#heard = true;
    try {
      this.#reader.feed(bytes);
    } catch (error) {
      if (!(error instanceof MalformedResponse)) throw error;
      this.#broke(error);
      return;
    }
    if (this.#reader.done) this.#whole();
  };

  readonly #onHead = (head: ResponseHead): void => {
    this.#head = head;
    this.#watch.limit(this.#timeouts.readMs);
    const source = { pause: () => this.#pause(), resume: () => this.#resume(), cut: () => this.#cut() };
    this.#answer = new Answer(head, source);
    // Until somebody reads.
    this.#pause();
    this.#settle.resolve({ message: this.#answer, address: addressOf(this.#wire.socket) });
  };

  readonly #onBody = (bytes: Buffer): void => this.#answer?.accept(bytes);

  #whole(): void {
    if (this.#over) return;
    this.#leave();
    const { keepAlive = false, headers } = this.#head ?? {};
    if (keepAlive && !this.#reader.surplus)
      this.#wires.give(this.#hop.origin, this.#wire, keptMs(first(headers?.["keep-alive"])));
    else this.#wire.socket.destroy();
    this.#answer?.finish();
  }

  readonly #ended = (): void => {
    if (this.#over) return;
    if (this.#reader.end()) this.#whole();
    else this.#broke(undefined);
  };

  readonly #broke = (error: unknown): void => {
    if (this.#over) return;
    const { host } = this.#hop.origin;
    if (this.#answer !== undefined) {
      this.#end();
      this.#answer.break(bodyFailure(error, host));
    } else if (this.#isStale(error)) {
      this.#end();
      this.#settle.resolve(stale);
    } else this.#fail(exchangeFailure(error ?? hangUp(), host));
  };

  /** RFC 9112 §9.3.1: closed while it was idle, so that nothing of the request was answered. */
  #isStale(error: unknown): boolean {
    return (
      this.#wire.reused &&
      !this.#heard &&
      (error === undefined || /^(?:ECONNRESET|EPIPE|ECONNABORTED)$/.test(codeOf(error)))
    );
  }

  readonly #aborted = (): void => this.#fail(cancelled(this.#hop.signal));

  /** A paused reader is not the peer's silence. */
  readonly #held = (): boolean => this.#paused || (this.#answer?.readableLength ?? 0) > 0;

  readonly #expired = (): void => {
    const { host } = this.#hop.origin;
    const { readMs, sendMs } = this.#timeouts;
    this.#fail(
      timeout(
        this.#sent ? `${host} sent nothing for ${readMs} ms.` : `${host} took nothing of the request for ${sendMs} ms.`,
      ),
    );
  };

  #fail(error: EntrepotError): void {
    if (this.#over) return;
    this.#end();
    if (this.#answer === undefined) this.#settle.reject(error);
    else this.#answer.destroy(error);
  }

  #pause(): void {
    if (this.#over || this.#paused) return;
    this.#paused = true;
    this.#wire.socket.pause();
  }

  #resume(): void {
    if (this.#over || !this.#paused) return;
    this.#paused = false;
    this.#wire.socket.resume();
  }

  #cut(): void {
    if (!this.#over) this.#end();
  }

  #end(): void {
    this.#leave();
    this.#reader.stop();
    this.#wire.socket.destroy();
  }

  #leave(): void {
    const { socket } = this.#wire;
    this.#over = true;
    this.#wire.listen();
    this.#watch.stop();
    this.#hop.signal.removeEventListener("abort", this.#aborted);
    socket.off("error", this.#broke).off("end", this.#ended).off("close", this.#ended);
  }
}

/** The head of the request. Throws BAD_REQUEST for characters that cannot be sent. */
function requestBytes(hop: Hop): string {
  try {
    if (/[^\u0021-\u00ff]/.test(hop.path) || hop.path === "") throw hangUp("ERR_UNESCAPED_CHARACTERS");
    let text = `GET ${hop.path} HTTP/1.1\r\n`;
    for (const [name, values] of Object.entries({ ...fieldsOf(hop), Connection: "keep-alive" })) {
      validateHeaderName(name);
      for (const value of typeof values === "string" ? [values] : values) {
        validateHeaderValue(name, value);
        text += `${name}: ${value}\r\n`;
      }
    }
    return `${text}\r\n`;
  } catch (error) {
    throw exchangeFailure(error, hop.origin.host);
  }
}

function hangUp(code = "ECONNRESET"): Error {
  return Object.assign(new Error("The connection was closed."), { code });
}

/** How long the peer says that it keeps an idle connection, less a second for the way. */
function keptMs(field: string | undefined): number | undefined {
  const seconds = /(?:^|[,\s])timeout=(\d{1,6})/i.exec(field ?? "")?.[1];
  return seconds === undefined ? undefined : (Number(seconds) - 1) * 1000;
}
