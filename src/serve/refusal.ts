import { endToEnd } from "../core/headers.ts";
import type { UpstreamResponse } from "../upstream/types.ts";
import type { Exchange } from "./exchange.ts";
import { isViewed, viewedBody } from "./view.ts";
import { type ResponseHeaders, sendBytes, sendHead } from "./write.ts";

/** No registry's error body is larger; what is beyond is cut. Bytes. */
const largestRefusal = 64 * 1024;

/**
 * An upstream's own refusal, kept whole so that everybody who waited for the same answer with the same credential can be given it.
 */
export class Refusal extends Error implements RefusalFacts {
  readonly status: number;
  readonly headers: Record<string, string | string[]>;
  readonly body: Buffer;
  readonly identity: string | undefined;

  constructor(response: Pick<UpstreamResponse, "status" | "headers">, body: Buffer, identity?: string) {
    super(`The upstream answered ${response.status}.`);
    this.name = "Refusal";
    this.status = response.status;
    this.headers = endToEnd(response.headers);
    this.body = body;
    this.identity = identity;
  }

  static of({ status, headers, body, identity }: RefusalFacts): Refusal {
    return new Refusal({ status, headers }, body, identity);
  }

  get facts(): RefusalFacts {
    const { status, headers, body, identity } = this;
    return { status, headers, body, identity };
  }
}

/** A refusal as plain data, for a place that keeps no objects. */
export interface RefusalFacts {
  readonly status: number;
  readonly headers: Record<string, string | string[]>;
  readonly body: Buffer;
  /** Who was refused, where that matters (Identity.text, a secret); another may be accepted. */
  readonly identity: string | undefined;
}

/** Reads an answer that is not the content asked for to its end, and makes it a Refusal. */
export async function refusalOf(response: UpstreamResponse, identity?: string): Promise<Refusal> {
  return new Refusal(response, await readUpTo(response, largestRefusal), identity);
}

/** At most `limit` bytes of a body; the rest is not waited for. */
export function readUpTo(response: UpstreamResponse, limit: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const pieces: Buffer[] = [];
    let length = 0;
    const finish = (): void => resolve(Buffer.concat(pieces, Math.min(length, limit)));
    response.body.on("data", (piece: Buffer) => {
      pieces.push(piece);
      length += piece.length;
      if (length < limit) return;
      finish();
      response.body.destroy();
    });
    response.body.once("end", finish);
    response.body.once("error", reject);
  });
}

/** Passes a refusal on as the upstream worded it. */
export function sendRefusal(exchange: Exchange, refusal: Refusal, headers: ResponseHeaders): void {
  const passed: ResponseHeaders = { ...refusal.headers, ...headers };
  if (exchange.request.method === "HEAD") {
    sendHead(exchange, refusal.status, passed);
    return;
  }
  delete passed["content-length"];
  const { view } = exchange;
  const { kind } = exchange.trace;
  const body = isViewed(view, kind, refusal.status)
    ? viewedBody(view, kind, refusal.status, refusal.body)
    : refusal.body;
  sendBytes(exchange, refusal.status, passed, body);
}
