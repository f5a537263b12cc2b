/** How much a run does. Sizes are bytes. */
export interface Plan {
  readonly mode: "full" | "quick";
  readonly rounds: number;
  /** Seconds within which the rounds end: one that would not, were it as long as the longest so far, is not begun. */
  readonly roundsEnd: number;
  readonly warmBlob: { readonly size: number; readonly clients: number; readonly pulls: number };
  /** Seconds that the warm-up of one case may take for one contender. */
  readonly warmUpLimit: number;
  /** `warmUp`: requests before the first round, until what V8 compiles for them is compiled. */
  readonly manifest: { readonly requests: number; readonly warmUp: number };
  readonly fresh: { readonly connections: number; readonly warmUp: number };
  readonly coldBlob: { readonly size: number };
  readonly pacedBlob: { readonly size: number };
  /** Bytes per second of one connection to the upstream in the paced case: a gigabit line's. */
  readonly pace: number;
  /** `pace`: bytes per second of one connection to the upstream, here and in the case of the slow clients. */
  readonly herd: { readonly size: number; readonly clients: number; readonly pace: number };
  /** `rate`: bytes per second that each slow client reads. */
  readonly slowClients: { readonly size: number; readonly slow: number; readonly rate: number; readonly fast: number };
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
  rounds: 7,
  roundsEnd: 1_500,
  warmUpLimit: 20,
  warmBlob: { size: 256 * MiB, clients: 4, pulls: 16 },
  manifest: { requests: 20_000, warmUp: 40_000 },
  fresh: { connections: 1_000, warmUp: 2_000 },
  coldBlob: { size: 256 * MiB },
  pacedBlob: { size: 256 * MiB },
  pace: 112 * MiB,
  herd: { size: 384 * MiB, clients: 12, pace: 48 * MiB },
  slowClients: { size: 256 * MiB, slow: 64, rate: 64 * KiB, fast: 2 },
  jobLimit: 2 * minute,
  runLimit: 30 * minute,
};

export const quick: Plan = {
  mode: "quick",
  rounds: 5,
  roundsEnd: 110,
  warmUpLimit: 2,
  warmBlob: { size: 256 * MiB, clients: 4, pulls: 4 },
  manifest: { requests: 4_000, warmUp: 25_000 },
  fresh: { connections: 250, warmUp: 600 },
  coldBlob: { size: 96 * MiB },
  pacedBlob: { size: 48 * MiB },
  pace: 112 * MiB,
  herd: { size: 96 * MiB, clients: 12, pace: 48 * MiB },
  slowClients: { size: 96 * MiB, slow: 64, rate: 64 * KiB, fast: 2 },
  jobLimit: minute,
  runLimit: 4 * minute,
};
