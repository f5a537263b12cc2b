import type { LoadedConfig } from "../config/load.ts";
import type { Clock } from "../core/clock.ts";
import type { Io } from "./io.ts";

/** What a start needs of the outside. */
export interface StartParts {
  readonly io: Io;
  readonly clock: Clock;
  /** Reads the configuration anew. Rejects with CONFIG_INVALID. */
  readonly load: () => Promise<LoadedConfig>;
}
