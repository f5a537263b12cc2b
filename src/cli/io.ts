/** Where a command writes; process.stdout is one. */
export interface Output {
  write(text: string): boolean;
  /** Whether people look at it. */
  readonly isTTY?: boolean;
}

/** What the operating system asks of a running process. */
export interface Signals {
  /**
   * drain: end what runs, take nothing new (SIGTERM, the first SIGINT). now: end at once (the second SIGINT). Each is told at most once,
   * and to a listener that comes late too.
   */
  onStop(listener: (how: StopMode) => void): void;
  /** SIGHUP. */
  onReload(listener: () => void): void;
}

export type StopMode = "drain" | "now";

/** What a command reaches of the outside. */
export interface Io {
  readonly stdout: Output;
  readonly stderr: Output;
  readonly signals: Signals;
}
