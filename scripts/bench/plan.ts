/** How much a run does. Each case has its own amounts for either mode. */
export interface Plan {
  readonly mode: "full" | "quick";
  readonly rounds: number;
  /** Rounds that contenders take part in of whom nothing is expected. */
  readonly othersRounds: number;
  /** Seconds within which the rounds end: one that would not, were it as long as the longest so far, is not begun. */
  readonly roundsEnd: number;
  /** Seconds that the warm-up of one case may take for one contender. */
  readonly warmUpLimit: number;
  /** Bytes of disk that a run of everything takes: no contender forgets what it has been asked for in earlier rounds. */
  readonly disk: number;
  /** Milliseconds after which one measured job is given up. */
  readonly jobLimit: number;
  /** Milliseconds after which the whole run is given up. */
  readonly runLimit: number;
}

export const KiB = 1024;
export const MiB = 1024 * KiB;
export const GiB = 1024 * MiB;
const minute = 60_000;

export const full: Plan = {
  mode: "full",
  rounds: 5,
  othersRounds: 2,
  roundsEnd: 4_500,
  warmUpLimit: 20,
  disk: 55 * GiB,
  jobLimit: 4 * minute,
  runLimit: 100 * minute,
};

export const quick: Plan = {
  mode: "quick",
  rounds: 2,
  othersRounds: 2,
  roundsEnd: 105,
  warmUpLimit: 2,
  disk: 8 * GiB,
  jobLimit: minute,
  runLimit: 15 * minute,
};
