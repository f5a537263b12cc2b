import type { ClientRequest } from "node:http";
import type { Readable } from "node:stream";
import { EntrepotError } from "../core/errors.ts";
import { giveBack } from "../core/give-back.ts";

/** Bytes that are written at once where they come fast enough. Each write costs a pass through the TLS stack and a system call. */
const gathered = 256 * 1024;

export interface BodyPlan {
  readonly body: Readable;
  /** As of UpstreamRequest. */
  readonly spend: boolean;
  readonly fail: (error: EntrepotError) => void;
}

/**
 * Sends a request's body as it comes. What comes in one turn of the event loop is written as one: a stream hands TLS out in pieces of 16 KiB. Calls
 * `fail` where the body ends before it is whole. Returns what lets go of the body; it is let go of once the request is over.
 */
export function sendBody(request: ClientRequest, { body, spend, fail }: BodyPlan): () => void {
  /** Idle buffers of this body: one is filled while another is on its way. */
  const idle: Buffer[] = [];
  let pieces: Buffer[] = [];
  let length = 0;
  let turn: NodeJS.Immediate | undefined;

  /** One write of all that came; false where the request takes no more for now. */
  const write = (): boolean => {
    const [first] = pieces;
    if (first === undefined) return true;
    const [all, size] = [pieces, length];
    pieces = [];
    length = 0;
    if (all.length === 1) return request.write(first, spend ? () => giveBack(first) : undefined);
    const kept = idle.pop();
    const buffer = kept !== undefined && kept.length >= size ? kept : Buffer.allocUnsafeSlow(Math.max(size, gathered));
    let at = 0;
    for (const piece of all) {
      at += piece.copy(buffer, at);
      if (spend) giveBack(piece);
    }
    return request.write(buffer.subarray(0, size), () => idle.push(buffer));
  };
  const flush = (): void => {
    clearImmediate(turn);
    turn = undefined;
    if (!write()) body.pause();
  };
  const take = (piece: Buffer): void => {
    pieces.push(piece);
    length += piece.length;
    if (length >= gathered) flush();
    else turn ??= setImmediate(flush);
  };
  const goOn = (): void => void body.resume();
  const end = (): void => {
    flush();
    request.end();
  };
  const gone = (error?: Error): void => {
    if (body.readableEnded) return;
    fail(new EntrepotError("CANCELLED", "The body of the request ended before it was whole.", { cause: error }));
  };
  const letGo = (): void => {
    clearImmediate(turn);
    body.off("data", take).off("end", end).off("error", gone).off("close", gone);
    body.pause();
  };

  if (body.destroyed && !body.readableEnded) {
    gone();
    return letGo;
  }
  body.once("error", gone).once("close", gone).once("end", end).on("data", take);
  request.on("drain", goOn).once("close", letGo);
  body.resume();
  return letGo;
}
