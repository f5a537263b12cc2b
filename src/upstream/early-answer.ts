import type { Socket } from "node:net";
import type { Writable } from "node:stream";
import { codeOf } from "./failures.ts";

type Done = (error?: Error | null) => void;

/**
 * For a connection that takes a body. A registry may answer in the middle of one and close, and what it is still sent is then met by a reset (RFC 9112
 * §9.6). Its answer lies before that reset in the system's buffer; node ends a socket at the first write that fails, and it would go unread. So here
 * such a write is told to have failed only when reading is over.
 */
export function readBeforeReset(socket: Socket): void {
  const stream: Writable = socket;
  const { _write: write, _writev: writev } = stream;
  const late =
    (done: Done): Done =>
    (error) => {
      if (!isReset(error) || socket.destroyed || socket.readableEnded) {
        done(error);
        return;
      }
      const over = (): void => {
        socket.off("end", over).off("close", over);
        done(error);
      };
      // Not before others have heard of the end: to them it is one of the answer.
      socket.on("end", over).on("close", over);
    };
  const own: Pick<Writable, "_write" | "_writev"> = {
    _write: (chunk, encoding, done) => write.call(stream, chunk, encoding, late(done)),
    ...(writev && { _writev: (chunks, done) => writev.call(stream, chunks, late(done)) }),
  };
  Object.assign(stream, own);
}

function isReset(error: unknown): boolean {
  const code = codeOf(error);
  return code === "ECONNRESET" || code === "EPIPE" || code === "ECONNABORTED";
}
