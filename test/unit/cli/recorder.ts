import type { Io, Output } from "../../../src/cli/io.ts";

/** An output that keeps what was written. */
export class Recorder implements Output {
  text = "";

  write(text: string): boolean {
    this.text += text;
    return true;
  }
}

/** The outside of a command, recorded; no signal ever comes. */
export function recordedIo(): Io & { readonly stdout: Recorder; readonly stderr: Recorder } {
  return {
    stdout: new Recorder(),
    stderr: new Recorder(),
    signals: { onStop: () => undefined, onReload: () => undefined },
  };
}
