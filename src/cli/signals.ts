import type { EventEmitter } from "node:events";
import type { Signals, StopMode } from "./io.ts";

/** Turns a process's signals into what they ask for. Listens from now on, so that none is lost while the program is starting. */
export function listenForSignals(process: Pick<EventEmitter, "on">): Signals {
  const listeners: ((how: StopMode) => void)[] = [];
  const told = new Set<StopMode>();
  let interrupts = 0;
  const stop = (how: StopMode): void => {
    if (told.has(how)) return;
    told.add(how);
    for (const listener of listeners) listener(how);
  };
  process.on("SIGTERM", () => stop("drain"));
  process.on("SIGINT", () => {
    interrupts++;
    stop("drain");
    if (interrupts > 1) stop("now");
  });
  return {
    onStop(listener) {
      listeners.push(listener);
      for (const how of told) listener(how);
    },
    onReload(listener) {
      process.on("SIGHUP", listener);
    },
  };
}
