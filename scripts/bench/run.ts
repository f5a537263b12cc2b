import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { type Case, herdRepository, pacedRepository } from "./cases.ts";
import type { Contender, ContenderName, StartContender, Target } from "./contenders/contender.ts";
import { titles } from "./contenders/contender.ts";
import { startEntrepot } from "./contenders/entrepot.ts";
import { startMitm } from "./contenders/mitm.ts";
import { startNginx } from "./contenders/nginx.ts";
import { type Load, startLoad } from "./load/client.ts";
import { type Pki, createPki } from "./pki.ts";
import type { Plan } from "./plan.ts";
import { killAll } from "./processes.ts";
import { type Sample, type Turn, takeTurn } from "./round.ts";
import { type Content, Site } from "./site.ts";
import { type Upstream, startUpstream } from "./upstream.ts";

export interface RunOptions {
  readonly plan: Plan;
  readonly cases: readonly Case[];
  readonly contenders: readonly ContenderName[];
  /** Where the run's directory is made. */
  readonly base: string;
  readonly pin: boolean;
  /** Where the contenders that are node programs leave their CPU profiles. */
  readonly profileDirectory: string | undefined;
  readonly signal: AbortSignal;
  /** One line of progress. */
  say(line: string): void;
}

export interface RunResult {
  readonly samples: readonly Sample[];
  readonly problems: readonly string[];
  readonly versions: readonly string[];
}

const starters: Readonly<Record<Exclude<ContenderName, "direct">, StartContender>> = {
  entrepot: startEntrepot,
  nginx: startNginx,
  mitm: startMitm,
};

/** Which CPU each part is bound to: the contender has the first to itself. */
export function cpus(pin: boolean): {
  contender: number | undefined;
  load: number | undefined;
  upstream: number | undefined;
} {
  const cores = os.availableParallelism();
  if (!pin || cores < 2) return { contender: undefined, load: undefined, upstream: undefined };
  return { contender: 0, load: 1, upstream: cores > 2 ? 2 : 1 };
}

/** A whole run. Nothing of it stays: processes are ended and the directory is removed, also when it fails. */
export async function run(options: RunOptions): Promise<RunResult> {
  const directory = mkdtempSync(path.join(options.base, "entrepot-bench-"));
  const bench = new Bench(options, directory);
  try {
    await bench.start();
    await bench.rounds();
    return bench.result();
  } finally {
    await bench.stop();
    killAll();
    rmSync(directory, { recursive: true, force: true, maxRetries: 3 });
  }
}

class Bench {
  readonly #options: RunOptions;
  readonly #directory: string;
  readonly #site: Site;
  readonly #pki: Pki;
  readonly #contenders = new Map<ContenderName, Contender>();
  readonly #samples: Sample[] = [];
  readonly #problems: string[] = [];
  /** `case contender` of those that failed once: they are not asked again. */
  readonly #out = new Set<string>();
  #upstream: Upstream | undefined;
  #load: Load | undefined;

  constructor(options: RunOptions, directory: string) {
    this.#options = options;
    this.#directory = directory;
    this.#pki = createPki(directory);
    this.#site = new Site(this.#own("site"));
  }

  async start(): Promise<void> {
    const { plan, pin, profileDirectory, signal } = this.#options;
    const paces = { [pacedRepository]: plan.pace, [herdRepository]: plan.herd.pace };
    const upstream = { directory: this.#own("upstream"), site: this.#site.root, pki: this.#pki, paces };
    this.#upstream = await startUpstream({ ...upstream, cpu: cpus(pin).upstream, signal });
    for (const name of this.#options.contenders) {
      if (name === "direct") continue;
      const own = { directory: this.#own(name), pki: this.#pki, upstreamPort: this.#upstream.port, profileDirectory };
      try {
        this.#contenders.set(name, await starters[name]({ ...own, cpu: cpus(pin).contender, signal }));
      } catch (error) {
        this.#problem(`${titles[name]}: ${message(error)}`);
      }
    }
  }

  /** In each round every case, in each case every contender, beginning with another one each time. */
  async rounds(): Promise<void> {
    const warm = new Map<Case, Content>();
    const { rounds, roundsEnd } = this.#options.plan;
    const started = performance.now();
    let longest = 0;
    for (let round = 0; round <= rounds; round++) {
      const begun = performance.now();
      if (round > 1 && begun - started + longest > roundsEnd * 1000) {
        this.#problem(
          `Only ${round - 1} of ${rounds} rounds: this machine is too slow or too busy for more in the time.`,
        );
        return;
      }
      this.#options.say(round === 0 ? "warm-up" : `round ${round} of ${rounds}`);
      for (const each of this.#options.cases) {
        const content = warm.get(each) ?? each.make(this.#site);
        if (each.content === "warm") warm.set(each, content);
        const names = each.contenders.filter((name) => this.#options.contenders.includes(name));
        const first = names.length === 0 ? 0 : round % names.length;
        for (const name of [...names.slice(first), ...names.slice(0, first)])
          await this.#turn(each, content, name, round);
        if (each.content === "cold") this.#site.remove(content);
      }
      if (round > 0) longest = Math.max(longest, performance.now() - begun);
    }
  }

  result(): RunResult {
    const versions = [...this.#contenders.values()].map(
      (contender) => `${titles[contender.name]} ${contender.version}`,
    );
    return { samples: this.#samples, problems: this.#problems, versions };
  }

  async stop(): Promise<void> {
    await this.#load?.stop();
    for (const contender of this.#contenders.values()) await contender.stop();
    await this.#upstream?.stop();
  }

  async #turn(each: Case, content: Content, name: ContenderName, round: number): Promise<void> {
    const contender = this.#contenders.get(name);
    const target = name === "direct" ? this.#direct() : contender?.target;
    if (!target || !this.#upstream || this.#out.has(`${each.name} ${name}`)) return;
    const { warmUpLimit } = this.#options.plan;
    const turn: Turn = { case: each, content, target, name, contender, round, warmUpLimit };
    try {
      const sample = await takeTurn(turn, this.#currentLoad(), this.#upstream);
      if (round > 0) this.#samples.push(sample);
    } catch (error) {
      if (this.#options.signal.aborted) throw error;
      this.#out.add(`${each.name} ${name}`);
      this.#problem(`${each.name}, ${titles[name]}, round ${round}: ${message(error)}`);
      await this.#load?.stop(); // it may still be at the job that failed
      this.#load = undefined;
    }
    // What the kernel has yet to write of one contender's cache must not slow the next.
    if (each.content === "cold") spawnSync("sync", ["-f", this.#directory]);
  }

  #direct(): Target | undefined {
    return this.#upstream && { port: this.#upstream.port, way: "tls", caFile: this.#pki.caFile };
  }

  #currentLoad(): Load {
    const { plan, pin, signal } = this.#options;
    const logFile = path.join(this.#directory, "load.log");
    return (this.#load ??= startLoad({ logFile, cpu: cpus(pin).load, jobLimit: plan.jobLimit, signal }));
  }

  #problem(text: string): void {
    this.#problems.push(text.replaceAll(this.#directory, "").replaceAll(/\s+/g, " "));
    this.#options.say(text);
  }

  #own(name: string): string {
    const directory = path.join(this.#directory, name);
    mkdirSync(directory);
    return directory;
  }
}

function message(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
