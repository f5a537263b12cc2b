import type { Socket } from "node:net";

export interface IdleWatch {
  /** Starts the time again with another limit, in milliseconds. */
  limit(ms: number): void;
  stop(): void;
}

/** A limit is measured in so many parts, to tell silence of the peer from a pause of ours. */
const parts = 4;

/**
 * Calls `expired` when a socket neither reads nor writes for the limit while it is not `held`, i.e. while it is the peer that is waited for.
 * On node's own idle timer of the socket, which costs nothing per piece. At most a quarter of the limit late, never early.
 */
export function watchIdle(socket: Socket, ms: number, held: () => boolean, expired: () => void): IdleWatch {
  let limit = ms;
  let idle = 0;
  let seen = -1;
  const tick = () => {
    const moved = socket.bytesRead + socket.bytesWritten;
    if (held()) idle = -1;
    else idle = moved === seen ? idle + 1 : 1;
    seen = moved;
    if (idle >= parts) expired();
    else arm();
  };
  const arm = () => socket.setTimeout(Math.max(1, Math.ceil(limit / parts)));
  socket.on("timeout", tick);
  arm();
  return {
    limit(next) {
      limit = next;
      idle = 0;
      arm();
    },
    stop() {
      socket.off("timeout", tick);
    },
  };
}
