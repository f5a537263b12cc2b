/** Repeated work, as a part that tests replace. */
export interface Timers {
  /** Calls `action` each so many milliseconds until the function that it gives back is called. Keeps no process alive. */
  every(milliseconds: number, action: () => void): () => void;
}

export const systemTimers: Timers = {
  every(milliseconds, action) {
    const timer = setInterval(action, milliseconds).unref();
    return () => clearInterval(timer);
  },
};
